"""How things are computed: which cores, which LAPACK, what need not be in memory, how far it is, how much there is to do."""
