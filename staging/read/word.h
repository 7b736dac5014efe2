#pragma once
#include <algorithm>
#include <string>
#include <string_view>

namespace staging {

// All words that a refusal may come with, beside the names that the profile wants and those of transfer syntaxes. A
// worker sends a word's number: whatever took it over, no text of its own is ever written down.
inline constexpr std::string_view kWords[] = {
    // What a file lacks, or has otherwise than we read it.
    ".DS_Store", "AnatomicRegionSequence", "AppleDouble", "BitsAllocated", "BitsPerSample", "BitsStored",
    "ColorMap", "Columns", "ExtraSamples", "HighBit", "ModalityLUTSequence", "NumberOfFrames",
    "PaletteColorLookupTable", "PerFrameFunctionalGroupsSequence", "PhotometricInterpretation", "PixelData",
    "PixelRepresentation", "PlanarConfiguration", "Rows", "SampleFormat", "SamplesPerPixel",
    "SegmentSequence", "SourceImageSequence", "TransferSyntaxUID", "affine", "archive",
    "bytes behind the archive", "bzip2", "deflated data set", "datatype", "delimiter", "dim",
    "element between items", "element twice", "elements", "file meta information", "four colours",
    "fragments", "gzip", "header", "inflate_ratio", "inflated_bytes", "more than 1 MiB", "more than 2 GiB",
    "more than 4 GiB", "more than a message holds", "more than one pixel data", "not in PS3.6",
    "not of a pair", "pages", "pair of files", "pixel data do not fit the transfer syntax", "scl_inter",
    "transparency", "undefined length", "value representation", "vox_offset", "xz", "zstd",
    // Codecs.
    "JPEG", "JPEG 2000", "JPEG XL", "JPEG extended", "JPEG lossless", "JPEG-LS", "PNG", "RLE", "TIFF",
    "deflated frame",
    // Tables.
    "empty", "looks like a title row", "looks like another encoding", "looks like bars", "looks like commas",
    "looks like semicolons", "looks like tabs", "looks like utf-16", "utf-16"};

// One of kWords: another one does not compile. Or a name that the profile wants, or that of a syntax.
class Word {
public:
    constexpr Word() = default;
    consteval Word(const char* word) : text_(word) {
        if (std::ranges::find(kWords, text_) == std::end(kWords)) throw "not in kWords";
    }
    // Of Wanted, or of the table of transfer syntaxes.
    static Word named(std::string_view name) {
        Word word;
        word.text_ = name;
        return word;
    }
    constexpr bool empty() const { return text_.empty(); }
    std::string text() const { return std::string(text_); }

private:
    std::string_view text_;
};

}  // namespace staging
