#!/usr/bin/env bash
# The commands behind the tables of comparisons: scripts/reproduce.sh [--smoke]
#
# Interrupted, it goes on where it was when it is called again. A dataset whose files are missing
# fails alone; the tables then show what there is. --smoke: all of it on digits, hardly trained.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

datasets=mnist,fashion_mnist,usps,hhar,digits small=usps,digits seeds='range(0,5)'
root=outputs/reproduce tables=outputs/tables short=() unrun=(reuters10k stl10)
if [ "${1:-}" = --smoke ]; then
    datasets=digits small=digits seeds='range(0,3)' unrun=()
    root=outputs/reproduce-smoke tables=$root/tables short=(pretrain.updates=40 train.updates=40)
fi
mkdir -p "$tables"
failed=0

# One sweep; its failures are in its summary, and in the exit code of this script.
train() {
    echo "+ gammvae train -m $*"
    gammvae train -m "output_root=$root" report=false "seed=$seeds" "${short[@]}" "$@" >>"$root.log" || failed=1
}

# The name that a table gives to a model with settings.
row() {
    local model=$1 settings
    shift
    settings=$(printf '%s\n' "$@" "${short[@]}" | sed '/^$/d' | sort | paste -sd,)
    echo "$model${settings:+ $settings}"
}

# Writes a table of rows as CSV, Markdown and LaTeX.
table() {
    local name=$1
    shift
    echo "+ gammvae table: $name"
    gammvae table "$root" --output "$tables/$name".{csv,md,tex} "$@"
}

# 1. Main comparison: every deep model from the same plain autoencoder, and the default.
train "dataset=$datasets" model=kmeans,gmm
train "dataset=$datasets" model=gmm model.covariance=diag
train "dataset=$datasets" model=ae_kmeans,ae_gmm,vae_gmm,n2d,dec,idec,vade,gammvae experiment=plain
train "dataset=$datasets" model=vade,gammvae
rows=("$(row kmeans)" "$(row gmm)" "$(row gmm model.covariance=diag)")
for model in ae_kmeans ae_gmm vae_gmm n2d dec idec vade gammvae; do
    rows+=("$(row $model experiment=plain)")
done
rows+=("$(row gammvae)")
# Two benchmarks that have to be downloaded are shown as not run.
columns=(${datasets//,/ } "${unrun[@]}")
table comparison --metric acc --datasets "${columns[@]}" --models "${rows[@]}"
table comparison_nmi --metric nmi --datasets "${columns[@]}" --models "${rows[@]}"
table comparison_ari --metric ari --datasets "${columns[@]}" --models "${rows[@]}"

# 2. The family of the prior, everything else equal.
table family --models "$(row gammvae)" "$(row vade)" --compare "$(row gammvae)" "$(row vade)"
plain=("$(row gammvae experiment=plain)" "$(row vade experiment=plain)")
table family_plain --models "${plain[@]}" --compare "${plain[@]}"

# 3. The four reparameterizations; times beside the figures, and the variance of their gradients.
samplers=(wilson_hilferty_boosted marsaglia_tsang implicit)
rows=("$(row gammvae experiment=plain)")
for sampler in "${samplers[@]}"; do
    train "dataset=$small" experiment=plain "model.reparameterization=$sampler"
    rows+=("$(row gammvae experiment=plain "model.reparameterization=$sampler")")
done
table reparameterization --metric acc elbo seconds --datasets ${small//,/ } --models "${rows[@]}"
plain_run=$(row gammvae experiment=plain)
echo "+ python scripts/benchmark_gradients.py: gradients"
python scripts/benchmark_gradients.py "$root/digits/${plain_run/ //}/seed=0" \
    --output "$tables/gradients.md" >>"$root.log"

# 4. Initialization and anchoring, and 5. sensitivity: one thing changed in the default.
changed() {
    local name=$1
    shift
    local rows=("$(row gammvae)") setting
    for setting in "$@"; do
        train "dataset=$small" "$setting"
        rows+=("$(row gammvae "$setting")")
    done
    table "$name" --metric acc nmi elbo --datasets ${small//,/ } --models "${rows[@]}"
}
changed start init=kmeans augmentation=none train.rounds=1 train.agreement=0 train.anchored=0.7 train.anchored=0
changed sensitivity train.kl_weight={0.5,2,4} architecture.latent_dim={5,20} n_clusters={8,12}
exit $failed
