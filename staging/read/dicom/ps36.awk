# DCMTK's dicom.dic (PS3.6 and PS3.7, one attribute a line: tag, VR, name, VM, source) to rows of `Entry`, in order of
# tags. Ranges of repeating groups (curves, overlays), the command group, directories and what comes from other
# standards are left out: no profile names them. Attributes of two VRs get the one that dictionary.h says.
BEGIN { FS = "\t" }
/^\([0-9A-F][0-9A-F][0-9A-F][0-9A-F],[0-9A-F][0-9A-F][0-9A-F][0-9A-F]\)/ && $5 ~ /^DICOM/ {
  tag = substr($1, 2, 4) substr($1, 7, 4)
  if (tag < "00080000" || tag >= "FFFE0000") next
  vr = $2
  if (vr == "xs") vr = "US"
  if (vr == "ox" || vr == "px" || vr == "lt") vr = "OW"
  if (vr == "up") vr = "UL"
  if (vr !~ /^[A-Z][A-Z]$/) next
  name = $3
  sub(/^(RETIRED|ACR_NEMA)_/, "", name)
  if (seen[name]++ || tags[tag]++) next
  print "{0x" tag ", {'" substr(vr, 1, 1) "', '" substr(vr, 2, 1) "'}, \"" name "\"}," | "LC_ALL=C sort"
}
