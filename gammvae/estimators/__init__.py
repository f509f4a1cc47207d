"""The methods of the command line as estimators of scikit-learn."""

from gammvae.system.compiled import choose_cache
from gammvae.system.waiting import choose_waiting

# Before torch is imported, as the command does.
choose_waiting()
choose_cache()
