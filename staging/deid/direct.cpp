#include "staging/deid/direct.h"

#include <algorithm>
#include <iterator>

#include "staging/deid/cases.h"
#include "staging/read/wanted.h"

namespace staging {
namespace {

// PS3.15 (2024b) table E.1-1, the attributes whose action in the Basic Profile is X, Z or D, by what they are. Kept
// by hand: the standard is not packaged as data.
struct Row {
    Tag tag;
    Attested what;
};
constexpr Row kRows[] = {
    {0x00080012, Attested::date},            // InstanceCreationDate
    {0x00080013, Attested::date},            // InstanceCreationTime
    {0x00080014, Attested::uid},             // InstanceCreatorUID
    {0x00080018, Attested::uid},             // SOPInstanceUID
    {0x00080020, Attested::date},            // StudyDate
    {0x00080021, Attested::date},            // SeriesDate
    {0x00080022, Attested::date},            // AcquisitionDate
    {0x00080023, Attested::date},            // ContentDate
    {0x0008002A, Attested::date},            // AcquisitionDateTime
    {0x00080030, Attested::date},            // StudyTime
    {0x00080031, Attested::date},            // SeriesTime
    {0x00080032, Attested::date},            // AcquisitionTime
    {0x00080033, Attested::date},            // ContentTime
    {0x00080050, Attested::identifier},      // AccessionNumber
    {0x00080070, Attested::device},          // Manufacturer
    {0x00080080, Attested::institution},     // InstitutionName
    {0x00080081, Attested::institution},     // InstitutionAddress
    {0x00080090, Attested::identifier},      // ReferringPhysicianName
    {0x00080092, Attested::identifier},      // ReferringPhysicianAddress
    {0x00080094, Attested::identifier},      // ReferringPhysicianTelephoneNumbers
    {0x00080201, Attested::date},            // TimezoneOffsetFromUTC
    {0x00081010, Attested::device},          // StationName
    {0x00081030, Attested::text},            // StudyDescription
    {0x0008103E, Attested::text},            // SeriesDescription
    {0x00081040, Attested::institution},     // InstitutionalDepartmentName
    {0x00081048, Attested::identifier},      // PhysiciansOfRecord
    {0x00081050, Attested::identifier},      // PerformingPhysicianName
    {0x00081060, Attested::identifier},      // NameOfPhysiciansReadingStudy
    {0x00081070, Attested::identifier},      // OperatorsName
    {0x00081080, Attested::text},            // AdmittingDiagnosesDescription
    {0x00081090, Attested::device},          // ManufacturerModelName
    {0x00081155, Attested::uid},             // ReferencedSOPInstanceUID
    {0x00082111, Attested::text},            // DerivationDescription
    {0x00083010, Attested::uid},             // IrradiationEventUID
    {0x00084000, Attested::text},            // IdentifyingComments
    {0x00100010, Attested::identifier},      // PatientName
    {0x00100020, Attested::identifier},      // PatientID
    {0x00100021, Attested::identifier},      // IssuerOfPatientID
    {0x00100030, Attested::date},            // PatientBirthDate
    {0x00100032, Attested::date},            // PatientBirthTime
    {0x00100033, Attested::date},            // PatientBirthDateInAlternativeCalendar
    {0x00100034, Attested::date},            // PatientDeathDateInAlternativeCalendar
    {0x00100040, Attested::characteristic},  // PatientSex
    {0x00100050, Attested::identifier},      // PatientInsurancePlanCodeSequence
    {0x00101000, Attested::identifier},      // OtherPatientIDs
    {0x00101001, Attested::identifier},      // OtherPatientNames
    {0x00101005, Attested::identifier},      // PatientBirthName
    {0x00101010, Attested::characteristic},  // PatientAge
    {0x00101020, Attested::characteristic},  // PatientSize
    {0x00101022, Attested::characteristic},  // PatientBodyMassIndex
    {0x00101030, Attested::characteristic},  // PatientWeight
    {0x00101040, Attested::identifier},      // PatientAddress
    {0x00101060, Attested::identifier},      // PatientMotherBirthName
    {0x00101080, Attested::identifier},      // MilitaryRank
    {0x00101081, Attested::identifier},      // BranchOfService
    {0x00101090, Attested::identifier},      // MedicalRecordLocator
    {0x00102000, Attested::text},            // MedicalAlerts
    {0x00102110, Attested::text},            // Allergies
    {0x00102150, Attested::identifier},      // CountryOfResidence
    {0x00102152, Attested::identifier},      // RegionOfResidence
    {0x00102154, Attested::identifier},      // PatientTelephoneNumbers
    {0x00102155, Attested::identifier},      // PatientTelecomInformation
    {0x00102160, Attested::characteristic},  // EthnicGroup
    {0x00102180, Attested::text},            // Occupation
    {0x001021A0, Attested::characteristic},  // SmokingStatus
    {0x001021B0, Attested::text},            // AdditionalPatientHistory
    {0x001021C0, Attested::characteristic},  // PregnancyStatus
    {0x001021D0, Attested::date},            // LastMenstrualDate
    {0x001021F0, Attested::identifier},      // PatientReligiousPreference
    {0x00102201, Attested::identifier},      // PatientSpeciesDescription
    {0x00102203, Attested::characteristic},  // PatientSexNeutered
    {0x00102292, Attested::identifier},      // PatientBreedDescription
    {0x00102297, Attested::identifier},      // ResponsiblePerson
    {0x00102299, Attested::identifier},      // ResponsibleOrganization
    {0x00104000, Attested::text},            // PatientComments
    {0x00120040, Attested::identifier},      // ClinicalTrialSubjectID
    {0x00120042, Attested::identifier},      // ClinicalTrialSubjectReadingID
    {0x00180010, Attested::text},            // ContrastBolusAgent
    {0x00181000, Attested::device},          // DeviceSerialNumber
    {0x00181002, Attested::uid},             // DeviceUID
    {0x00181003, Attested::device},          // DeviceID
    {0x00181004, Attested::device},          // PlateID
    {0x00181005, Attested::device},          // GeneratorID
    {0x00181007, Attested::device},          // CassetteID
    {0x00181008, Attested::device},          // GantryID
    {0x00181012, Attested::date},            // DateOfSecondaryCapture
    {0x00181014, Attested::date},            // TimeOfSecondaryCapture
    {0x00181020, Attested::device},          // SoftwareVersions
    {0x00181030, Attested::text},            // ProtocolName
    {0x00181042, Attested::date},            // ContrastBolusStartTime
    {0x00181072, Attested::date},            // RadiopharmaceuticalStartTime
    {0x00181073, Attested::date},            // RadiopharmaceuticalStopTime
    {0x00181078, Attested::date},            // RadiopharmaceuticalStartDateTime
    {0x00181079, Attested::date},            // RadiopharmaceuticalStopDateTime
    {0x00181200, Attested::date},            // DateOfLastCalibration
    {0x00181201, Attested::date},            // TimeOfLastCalibration
    {0x00181400, Attested::text},            // AcquisitionDeviceProcessingDescription
    {0x00184000, Attested::text},            // AcquisitionComments
    {0x0018700A, Attested::device},          // DetectorID
    {0x00189074, Attested::date},            // FrameAcquisitionDateTime
    {0x00189151, Attested::date},            // FrameReferenceDateTime
    {0x00189516, Attested::date},            // StartAcquisitionDateTime
    {0x00189517, Attested::date},            // EndAcquisitionDateTime
    {0x0020000D, Attested::uid},             // StudyInstanceUID
    {0x0020000E, Attested::uid},             // SeriesInstanceUID
    {0x00200010, Attested::identifier},      // StudyID
    {0x00200052, Attested::uid},             // FrameOfReferenceUID
    {0x00200200, Attested::uid},             // SynchronizationFrameOfReferenceUID
    {0x00204000, Attested::text},            // ImageComments
    {0x00209158, Attested::text},            // FrameComments
    {0x00209161, Attested::uid},             // ConcatenationUID
    {0x00209164, Attested::uid},             // DimensionOrganizationUID
    {0x00284000, Attested::text},            // ImagePresentationComments
    {0x00321030, Attested::text},            // ReasonForStudy
    {0x00321032, Attested::identifier},      // RequestingPhysician
    {0x00321033, Attested::institution},     // RequestingService
    {0x00321060, Attested::text},            // RequestedProcedureDescription
    {0x00324000, Attested::text},            // StudyComments
    {0x00380010, Attested::identifier},      // AdmissionID
    {0x00380011, Attested::identifier},      // IssuerOfAdmissionID
    {0x00380020, Attested::date},            // AdmittingDate
    {0x00380030, Attested::date},            // DischargeDate
    {0x00380050, Attested::text},            // SpecialNeeds
    {0x00380060, Attested::identifier},      // ServiceEpisodeID
    {0x00380300, Attested::identifier},      // CurrentPatientLocation
    {0x00380400, Attested::identifier},      // PatientInstitutionResidence
    {0x00380500, Attested::text},            // PatientState
    {0x00384000, Attested::text},            // VisitComments
    {0x00400001, Attested::device},          // ScheduledStationAETitle
    {0x00400002, Attested::date},            // ScheduledProcedureStepStartDate
    {0x00400006, Attested::identifier},      // ScheduledPerformingPhysicianName
    {0x00400007, Attested::text},            // ScheduledProcedureStepDescription
    {0x00400009, Attested::identifier},      // ScheduledProcedureStepID
    {0x00400010, Attested::device},          // ScheduledStationName
    {0x00400241, Attested::device},          // PerformedStationAETitle
    {0x00400242, Attested::device},          // PerformedStationName
    {0x00400244, Attested::date},            // PerformedProcedureStepStartDate
    {0x00400250, Attested::date},            // PerformedProcedureStepEndDate
    {0x00400253, Attested::identifier},      // PerformedProcedureStepID
    {0x00400254, Attested::text},            // PerformedProcedureStepDescription
    {0x00400275, Attested::text},            // RequestAttributesSequence
    {0x0040050A, Attested::identifier},      // SpecimenAccessionNumber
    {0x00400512, Attested::identifier},      // ContainerIdentifier
    {0x00400551, Attested::identifier},      // SpecimenIdentifier
    {0x00400554, Attested::uid},             // SpecimenUID
    {0x00400600, Attested::text},            // SpecimenShortDescription
    {0x00400602, Attested::text},            // SpecimenDetailedDescription
    {0x00401001, Attested::identifier},      // RequestedProcedureID
    {0x00401002, Attested::text},            // ReasonForTheRequestedProcedure
    {0x00401010, Attested::identifier},      // NamesOfIntendedRecipientsOfResults
    {0x00401102, Attested::identifier},      // PersonAddress
    {0x00401103, Attested::identifier},      // PersonTelephoneNumbers
    {0x00401400, Attested::text},            // RequestedProcedureComments
    {0x00402016, Attested::identifier},      // PlacerOrderNumberImagingServiceRequest
    {0x00402017, Attested::identifier},      // FillerOrderNumberImagingServiceRequest
    {0x00404037, Attested::identifier},      // HumanPerformerName
    {0x0040A075, Attested::identifier},      // VerifyingObserverName
    {0x0040A123, Attested::identifier},      // PersonName
    {0x0040A124, Attested::uid},             // UID
    {0x0040A160, Attested::text},            // TextValue
    {0x00500020, Attested::device},          // DeviceDescription
    {0x00620020, Attested::identifier},      // TrackingID
    {0x00620021, Attested::uid},             // TrackingUID
    {0x00700006, Attested::text},            // UnformattedTextValue
    {0x00700081, Attested::text},            // ContentDescription
    {0x00700084, Attested::identifier},      // ContentCreatorName
    {0x20300020, Attested::text},            // TextString
    {0x22000005, Attested::identifier},      // BarcodeValue
    {0x30060024, Attested::uid},             // ReferencedFrameOfReferenceUID
    {0x300E0008, Attested::identifier},      // ReviewerName
    {0x4008010B, Attested::text},            // InterpretationText
};
static_assert(std::is_sorted(std::begin(kRows), std::end(kRows),
                             [](const Row& a, const Row& b) { return a.tag < b.tag; }));

template <class T>
bool is(const ColumnRule& rule) {
    return std::holds_alternative<T>(rule.transform);
}

// "(gggg,xxee) CREATOR" (wanted.h): what it holds is known to nobody but the profile's author.
bool is_private(std::string_view path) {
    return path.substr(0, 1) == "(" && path.substr(5, 3) == ",xx";
}

}  // namespace

Attested attested(std::string_view dicom_path) {
    if (dicom_path.empty() || dicom_path.starts_with("path:") || is_private(dicom_path))
        return Attested::nothing;
    const Wanted wanted = Wanted::attributes({std::string(dicom_path)});
    const Tag tag = wanted.attributes().front().steps.back().tag;
    const auto* found = std::lower_bound(std::begin(kRows), std::end(kRows), tag,
                                         [](const Row& row, Tag other) { return row.tag < other; });
    return found != std::end(kRows) && found->tag == tag ? found->what : Attested::nothing;
}

std::string refusal(const ColumnRule& rule, const Source& source) {
    const char* const names = "PS3.15 table E.1-1 names ";
    switch (attested(source.from)) {
        case Attested::identifier:
            if (is<Pseudonymise>(rule)) return {};
            return names + source.from + " as an identifier: only \"pseudonymise\" may take it";
        case Attested::uid:
            if (is<Pseudonymise>(rule)) return {};
            return names + source.from + " as a UID: only \"pseudonymise\" may take it";
        case Attested::date:
            if (is<ShiftDate>(rule) || is<AgeBand>(rule)) return {};
            return names + source.from + " as a date or time: only \"shift\" or an age may take it";
        case Attested::text:
            return names + source.from + " as free text: it has no way in";
        case Attested::institution:
        case Attested::device:
        case Attested::characteristic:
            if (is<Number>(rule) || is<Integer>(rule) || is<Codes>(rule) || is<AgeBand>(rule) ||
                is<Pseudonymise>(rule))
                return {};
            return names + source.from +
                   ": only a code, a number within bounds or a pseudonym may come of it";
        case Attested::nothing:
            break;
    }
    return {};
}

std::vector<Method> methods_of(const Definition& definition) {
    bool dates = false, characteristics = false, device = false, institution = false, safe_private = false;
    const auto look_at = [&](const ColumnChoice& choice, bool dicom) {
        if (!choice.is_output) return;
        const ColumnRule& rule = choice.rule;
        dates = dates || is<ShiftDate>(rule);
        characteristics = characteristics || is<AgeBand>(rule);
        institution = institution || is<DeliveryName>(rule);
        for (const Source& source : rule.sources) {
            if (!dicom) continue;
            safe_private = safe_private || is_private(source.from);
            const Attested what = attested(source.from);
            characteristics = characteristics || what == Attested::characteristic;
            device = device || what == Attested::device;
            institution = institution || what == Attested::institution;
        }
    };
    for (const ColumnChoice& choice : definition.columns)
        look_at(choice, definition.profile.source->name == "dicom");
    if (definition.labels)
        for (const ColumnChoice& choice : definition.labels->table.columns) look_at(choice, false);
    std::vector<Method> out{{"113100", "Basic Application Confidentiality Profile"}};
    if (dates) out.push_back({"113107", "Retain Longitudinal Temporal Information Modified Dates Option"});
    if (characteristics) out.push_back({"113108", "Retain Patient Characteristics Option"});
    if (device) out.push_back({"113109", "Retain Device Identity Option"});
    if (safe_private) out.push_back({"113111", "Retain Safe Private Option"});
    if (institution) out.push_back({"113112", "Retain Institution Identity Option"});
    return out;
}

}  // namespace staging
