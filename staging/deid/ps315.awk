# ps315.csv to rows of `Row`, in order of tags.
BEGIN { FS = "," }
/^[0-9A-F]/ {
  options = $4 == "" ? "none" : $4
  gsub(/ /, " | ", options)
  print "{0x" $1 ", " options "},"
}
