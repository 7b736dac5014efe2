// The gate's own words: what results of training and of statistics are called. One list per use; a word may
// stand in more than one.
#include "jobs/release/words.h"

#include <algorithm>
#include <set>

namespace jobs {
namespace {

using Words = std::set<std::string_view>;

// Of a text that lives as long as the program.
Words split(std::string_view text) {
    Words words;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        words.insert(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

// Between 0 and 1; exactly 1 is no small count.
const Words kRates = split(
    "acc accuracy agreement alpha ap auc auprc auroc brier cindex confidence correlation coverage dice "
    "ece f1 f2 fbeta fdr fnr fpr fraction incidence iou jaccard kappa kendall level mcc mce mortality "
    "npv pearson ppv precision prevalence probability proportion r2 rate recall roc score sensitivity "
    "share spearman specificity ssim tnr tpr youden");

// Whole numbers of people, samples or events.
const Words kCounts = split(
    "cases controls count counts deaths events exams fn fp freq frequency images men n negatives "
    "participants patient patients people persons positives sample samples scans series studies "
    "subjects support suppressed tn total tp women");

// Of those, the whole of a group, and not some of it.
const Words kWholes = split(
    "cases count counts exams images n participants patients people persons samples scans series "
    "studies subjects support");

const Words kTotals = split("all any overall sum total whole");

// Settings of a run, cut-offs and probabilities of error: they count no person, however small.
const Words kNotCounts = split(
    "accumulation batch bias bin bins bits block blocks bootstrap channels clip degree depth df dilation "
    "dimensions dims epoch epochs features fold folds format gpus groups hd95 heads hidden index iteration "
    "iterations k keep kernel layer layers mae micro nodes order p padding parameters params patience "
    "percentile quantile rank ranks repeat repeats rmse run runs seed shape smallest stage stages step "
    "steps "
    "stratum stride threshold tolerance top verbose version warmup width workers");

const Words kIndexTerms = split(
    "age at bin block ci class decile dice epoch f fold group hd head interval interval95 iou k l label "
    "layer level p percentile q quantile r rank repeat run seed stage step stratum top");

const Words kClassTerms = split(
    "category class classes group label labels name names negative positive strata stratum suppressed "
    "value");

// What else stands in reports.
const Words kOthers = split(
    "init own study torchvision monai densenet densenet2d densenet3d absolute access activation adam adamw "
    "adaptive added adjusted age aggregate "
    "aggregated alpha and "
    "arm assd at attack attention auto average avg balanced band base baseline bce best beta between "
    "bf16 bias binary bleu bounds brain breast bucket by c calibration categories ce channel chart "
    "checkpoint chest ci ci95 classification classifier cnn coefficient coefficients cohen cohort "
    "columns compared comparison config confusion constant convolution cosine cost cox cpu cross ct "
    "curve curves cutoff cv data dataset datasets days decay deciles decision delta dense description "
    "detection deviation difference digits distance distribution divergence domain dropout duration "
    "early effect encoder entropy error errors estimate eta eval evaluate evaluation expected "
    "experiment explained external factor false female field figure final first fit flips float16 float32 "
    "focal for fp16 fp32 from function gain gamma gap gini global gpu grad gradient hausdorff hazard "
    "hd95 head heart height high hinge history hours hyperparameters i image importance in inference "
    "initial input intercept internal interval interval95 intervals iqr item j keys kl l1 l2 label "
    "lambda language last learning left length lesion lift limit linear liver local log logistic "
    "logloss loss losses low lower lr lung macro mae male map mape margin mask matrix max maximum mean "
    "means measure measures median membership memory method metric metrics min minimum minutes missing "
    "ml mlp mm modality mode model models momentum month mr mri mse multi multiclass multilabel nan neg nll "
    "no "
    "none norm normalization normalized not observed odds of on one optimizer or organ other others "
    "output overfit ovo ovr pathology per percent performance permutation perplexity pixel plot points "
    "pooled pos positive power pr pred predicted prediction predictions predictor privacy probabilities "
    "process projection psnr pvalue q1 q3 quality r random range ranking ratio ratios recipe reference "
    "regression regularization relative relu report residual residuals resnet resnet2d resnet3d "
    "resolution rest result results right risk rmse robust robustness root rouge rows scale schedule "
    "scheduler scores sd se second seconds segmentation select selected sem set sets settings sex sgd "
    "sha256 sigma site sites size skewness slope smoothing softmax spacing speed split splits squared "
    "standard statistic statistics status std stderr strata sub subgroup subgroups subset summary "
    "surface survival svm t table tables target task tau temperature test throughput time to tolerance train "
    "training "
    "transform transformer tree true truth type u uncertainty unet unet2d unet3d unit units unknown "
    "unweighted upper "
    "val valid validation value values var variable variables variance vendor vendors vit volume voxel vs "
    "weight weighted weights width with within without worst x y year years z zero");

bool in(const Words& words, std::string_view word) {
    return words.contains(word);
}

}  // namespace

bool is_term(std::string_view word) {
    return in(kOthers, word) || in(kRates, word) || in(kNotCounts, word) || in(kClassTerms, word) ||
           in(kTotals, word) || in(kIndexTerms, word) ||
           (in(kCounts, word) && word != "deaths" && word != "women" && word != "men");
}
bool is_index_term(std::string_view word) {
    return in(kIndexTerms, word);
}
std::size_t term_count() {
    return kOthers.size() + kRates.size() + kNotCounts.size() + kClassTerms.size() + kTotals.size() +
           kIndexTerms.size() + kCounts.size();
}
bool counts_people(std::string_view term) {
    return in(kCounts, term);
}
bool counts_everybody(std::string_view term) {
    return in(kWholes, term);
}
bool is_total(std::string_view term) {
    return in(kTotals, term);
}
bool is_rate(std::string_view term) {
    return in(kRates, term);
}
bool counts_nobody(std::string_view term) {
    return in(kNotCounts, term);
}
bool names_a_class(std::string_view term) {
    return in(kClassTerms, term);
}

}  // namespace jobs
