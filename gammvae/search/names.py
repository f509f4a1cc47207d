"""The names of the objectives, without what computes them."""

AGREEMENT, PREDICTABILITY = OBJECTIVES = ("agreement", "predictability")
# Fewest seeds that each needs.
FEWEST_SEEDS = {AGREEMENT: 2, PREDICTABILITY: 1}
