#include "staging/deid/sop_class.h"

#include <algorithm>
#include <iterator>

namespace staging {
namespace {

constexpr SopClass kClasses[] = {
    {"1.2.840.10008.5.1.4.1.1.1", "ComputedRadiographyImageStorage", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.1.1", "DigitalXRayImageStorageForPresentation", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.1.1.1", "DigitalXRayImageStorageForProcessing", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.1.2", "DigitalMammographyXRayImageStorageForPresentation", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.1.2.1", "DigitalMammographyXRayImageStorageForProcessing", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.1.3", "DigitalIntraOralXRayImageStorageForPresentation", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.1.3.1", "DigitalIntraOralXRayImageStorageForProcessing", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.2", "CTImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.2.1", "EnhancedCTImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.2.2", "LegacyConvertedEnhancedCTImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.3", "UltrasoundMultiFrameImageStorageRetired", Shows::ultrasound},
    {"1.2.840.10008.5.1.4.1.1.3.1", "UltrasoundMultiFrameImageStorage", Shows::ultrasound},
    {"1.2.840.10008.5.1.4.1.1.4", "MRImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.4.1", "EnhancedMRImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.4.3", "EnhancedMRColorImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.4.4", "LegacyConvertedEnhancedMRImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.5", "NuclearMedicineImageStorageRetired", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.6", "UltrasoundImageStorageRetired", Shows::ultrasound},
    {"1.2.840.10008.5.1.4.1.1.6.1", "UltrasoundImageStorage", Shows::ultrasound},
    {"1.2.840.10008.5.1.4.1.1.6.2", "EnhancedUSVolumeStorage", Shows::ultrasound},
    {"1.2.840.10008.5.1.4.1.1.6.3", "PhotoacousticImageStorage", Shows::ultrasound},
    {"1.2.840.10008.5.1.4.1.1.7", "SecondaryCaptureImageStorage", Shows::secondary},
    {"1.2.840.10008.5.1.4.1.1.7.1", "MultiFrameSingleBitSecondaryCaptureImageStorage", Shows::secondary},
    {"1.2.840.10008.5.1.4.1.1.7.2", "MultiFrameGrayscaleByteSecondaryCaptureImageStorage", Shows::secondary},
    {"1.2.840.10008.5.1.4.1.1.7.3", "MultiFrameGrayscaleWordSecondaryCaptureImageStorage", Shows::secondary},
    {"1.2.840.10008.5.1.4.1.1.7.4", "MultiFrameTrueColorSecondaryCaptureImageStorage", Shows::secondary},
    {"1.2.840.10008.5.1.4.1.1.12.1", "XRayAngiographicImageStorage", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.12.1.1", "EnhancedXAImageStorage", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.12.2", "XRayRadiofluoroscopicImageStorage", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.12.2.1", "EnhancedXRFImageStorage", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.12.3", "XRayAngiographicBiPlaneImageStorage", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.13.1.1", "XRay3DAngiographicImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.13.1.2", "XRay3DCraniofacialImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.13.1.3", "BreastTomosynthesisImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.13.1.4", "BreastProjectionXRayImageStorageForPresentation", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.13.1.5", "BreastProjectionXRayImageStorageForProcessing", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.14.1", "IntravascularOpticalCoherenceTomographyImageStorageForPresentation",
     Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.14.2", "IntravascularOpticalCoherenceTomographyImageStorageForProcessing",
     Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.20", "NuclearMedicineImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.30", "ParametricMapStorage", Shows::mask},
    {"1.2.840.10008.5.1.4.1.1.66.4", "SegmentationStorage", Shows::mask},
    {"1.2.840.10008.5.1.4.1.1.66.7", "LabelMapSegmentationStorage", Shows::mask},
    {"1.2.840.10008.5.1.4.1.1.77.1", "VLImageStorageTrial", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.1", "VLEndoscopicImageStorage", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.1.1", "VideoEndoscopicImageStorage", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.2", "VLMicroscopicImageStorage", Shows::slide},
    {"1.2.840.10008.5.1.4.1.1.77.1.2.1", "VideoMicroscopicImageStorage", Shows::slide},
    {"1.2.840.10008.5.1.4.1.1.77.1.3", "VLSlideCoordinatesMicroscopicImageStorage", Shows::slide},
    {"1.2.840.10008.5.1.4.1.1.77.1.4", "VLPhotographicImageStorage", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.4.1", "VideoPhotographicImageStorage", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.5.1", "OphthalmicPhotography8BitImageStorage", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.5.2", "OphthalmicPhotography16BitImageStorage", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.5.4", "OphthalmicTomographyImageStorage", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.5.5", "WideFieldOphthalmicPhotographyStereographicProjectionImageStorage",
     Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.5.6", "WideFieldOphthalmicPhotography3DCoordinatesImageStorage",
     Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.5.7", "OphthalmicOpticalCoherenceTomographyEnFaceImageStorage",
     Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.6", "VLWholeSlideMicroscopyImageStorage", Shows::slide},
    {"1.2.840.10008.5.1.4.1.1.77.1.7", "DermoscopicPhotographyImageStorage", Shows::surface},
    {"1.2.840.10008.5.1.4.1.1.77.1.8", "ConfocalMicroscopyImageStorage", Shows::slide},
    {"1.2.840.10008.5.1.4.1.1.77.1.9", "ConfocalMicroscopyTiledPyramidalImageStorage", Shows::slide},
    {"1.2.840.10008.5.1.4.1.1.128", "PositronEmissionTomographyImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.128.1", "LegacyConvertedEnhancedPETImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.130", "EnhancedPETImageStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.481.1", "RTImageStorage", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.481.2", "RTDoseStorage", Shows::volume},
    {"1.2.840.10008.5.1.4.1.1.481.23", "EnhancedRTImageStorage", Shows::projection},
    {"1.2.840.10008.5.1.4.1.1.481.24", "EnhancedContinuousRTImageStorage", Shows::projection},
};

// Classes and whole families (a UID that ends in a dot) that are never a sample. The table above comes first: what
// is left of RT objects, for one, are structure sets, plans and records.
constexpr SopClass kNoImages[] = {
    {"1.2.840.10008.5.1.4.1.1.8", "StandaloneOverlayStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.9", "StandaloneCurveStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.9.", "Waveforms", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.4.2", "MRSpectroscopyStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.10", "StandaloneModalityLUTStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.11", "StandaloneVOILUTStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.11.", "PresentationStates", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.66", "RawDataStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.66.1", "SpatialRegistrationStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.66.2", "SpatialFiducialsStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.66.3", "DeformableSpatialRegistrationStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.66.5", "SurfaceSegmentationStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.66.6", "TractographyResultsStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.67", "RealWorldValueMappingStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.68.", "Surfaces", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.77.1.5.3", "StereometricRelationshipStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.77.1.5.8", "OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage",
     Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.78.", "OphthalmicMeasurements", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.79.", "OphthalmicReports", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.80.", "OphthalmicMeasurements", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.88.", "StructuredReports", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.90.", "ContentAssessmentResults", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.91.", "BulkAnnotations", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.104.", "EncapsulatedDocuments", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.129", "StandalonePETCurveStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.131", "BasicStructuredDisplayStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.200.", "ProcedureProtocols", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.201.1", "InventoryStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.1.1.481.", "RTObjects", Shows::no_image},
    {"1.2.840.10008.1.3.10", "MediaStorageDirectoryStorage", Shows::no_image},
    {"1.2.840.10008.5.1.4.34.", "RTDeliveryInstructions", Shows::no_image},
    {"1.2.840.10008.5.1.4.38.", "HangingProtocols", Shows::no_image},
    {"1.2.840.10008.5.1.4.39.", "ColorPalettes", Shows::no_image},
    {"1.2.840.10008.5.1.4.43.", "ImplantTemplates", Shows::no_image},
    {"1.2.840.10008.5.1.4.44.", "ImplantTemplates", Shows::no_image},
    {"1.2.840.10008.5.1.4.45.", "ImplantTemplates", Shows::no_image},
};

}  // namespace

std::span<const SopClass> sop_classes() noexcept {
    return kClasses;
}

const SopClass* find_sop_class(std::string_view uid_or_name) noexcept {
    const auto* found = std::find_if(std::begin(kClasses), std::end(kClasses), [&](const SopClass& row) {
        return row.uid == uid_or_name || row.name == uid_or_name;
    });
    if (found != std::end(kClasses)) return found;
    found = std::find_if(std::begin(kNoImages), std::end(kNoImages), [&](const SopClass& row) {
        return row.uid == uid_or_name || (row.uid.back() == '.' && uid_or_name.starts_with(row.uid));
    });
    return found != std::end(kNoImages) ? found : nullptr;
}

}  // namespace staging
