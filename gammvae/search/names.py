"""The names of the objectives and files of a search, without what computes them."""

AGREEMENT, PREDICTABILITY = OBJECTIVES = ("agreement", "predictability")
# Fewest seeds that each needs.
FEWEST_SEEDS = {AGREEMENT: 2, PREDICTABILITY: 1}
# Files in the folder of a search.
JSON, CSV = "search.json", "search.csv"
