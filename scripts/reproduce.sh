#!/usr/bin/env bash
# Runs the comparisons and writes their tables: scripts/reproduce.sh [--smoke]
#
# If interrupted, call it again to continue. If files of a dataset are missing, only its runs fail,
# and the tables show the others. Needs the package umap-learn. --smoke runs everything on digits with very short training.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

if ! python3 -c 'import importlib.util as u, sys; sys.exit(u.find_spec("umap") is None)'; then
    echo "reproduce.sh: model=n2d needs the package umap-learn: pip install 'gammvae[umap]'" >&2
    exit 2
fi
datasets=mnist,fashion_mnist,usps,hhar,digits small=usps,digits seeds='range(0,5)'
root=outputs/reproduce tables=outputs/tables short=() unrun=(reuters10k stl10)
if [ "${1:-}" = --smoke ]; then
    datasets=digits small=digits seeds='range(0,3)' unrun=()
    root=outputs/reproduce-smoke tables=$root/tables short=(pretrain.updates=40 train.updates=40)
fi
mkdir -p "$tables"
failed=0

# Runs one sweep. Failed jobs are listed in its summary and make this script exit with 1.
train() {
    echo "+ gammvae train -m $*"
    gammvae train -m "output_root=$root" report=false "seed=$seeds" "${short[@]}" "$@" >>"$root.log" || failed=1
}

# Prints the row name that a table gives to a model with settings.
row() {
    local model=$1 settings
    shift
    settings=$(printf '%s\n' "$@" "${short[@]}" | sed '/^$/d' | sort | paste -sd,)
    echo "$model${settings:+ $settings}"
}

# Writes a table as CSV, Markdown and LaTeX.
table() {
    local name=$1
    shift
    echo "+ gammvae table: $name"
    gammvae table "$root" --output "$tables/$name".{csv,md,tex} "$@"
}

# 1. Main comparison: all deep models from the same plain autoencoder, and the default.
train "dataset=$datasets" model=kmeans,gmm
train "dataset=$datasets" model=gmm model.covariance=diag
train "dataset=$datasets" model=ae_kmeans,ae_gmm,vae_gmm,n2d,dec,idec,vade,gammvae experiment=plain
train "dataset=$datasets" model=vade,gammvae
rows=("$(row kmeans)" "$(row gmm)" "$(row gmm model.covariance=diag)")
for model in ae_kmeans ae_gmm vae_gmm n2d dec idec vade gammvae; do
    rows+=("$(row $model experiment=plain)")
done
rows+=("$(row gammvae)")
# Datasets in unrun need a download; the tables show them as not run.
columns=(${datasets//,/ } "${unrun[@]}")
table comparison --metric acc --datasets "${columns[@]}" --models "${rows[@]}"
table comparison_nmi --metric nmi --datasets "${columns[@]}" --models "${rows[@]}"
table comparison_ari --metric ari --datasets "${columns[@]}" --models "${rows[@]}"

# 2. Gamma or Gaussian family, with everything else equal.
table family --models "$(row gammvae)" "$(row vade)" --compare "$(row gammvae)" "$(row vade)"
plain=("$(row gammvae experiment=plain)" "$(row vade experiment=plain)")
table family_plain --models "${plain[@]}" --compare "${plain[@]}"

# 3. The four reparameterizations: figures, times and the variance of their gradients.
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

# 4. Initialization and anchoring, and 5. sensitivity: the default with one change.
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
changed start init=kmeans augmentation=none train.rounds=1 train.agreement=0 train.anchored=1 train.anchored=0
changed sensitivity train.kl_weight={0.5,2,4} architecture.latent_dim={5,20} n_clusters={8,12}
exit $failed
