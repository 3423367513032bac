"""Profiles: what the tasks of five scientific workflows take, as published.

After Juve, Chervenak, Deelman, Bharathi, Mehta and Vahi, "Characterizing and profiling scientific
workflows", Future Generation Computer Systems 29 (2013); for LIGO and SIPHT, times and sizes are
those of the earlier "Characterization of scientific workflows" by Bharathi et al. (2008), on which
the generator of the synthetic Pegasus workflows rests. Sizes are what one user of a task reads: a
task that writes a part for each of its users counts one part. Memory of short tasks is rounded.
"""

from __future__ import annotations

from benchmarks.dags.workflow import Profile

#                       seconds, deviation, output MB, memory MB
MONTAGE = {
    "mProjectPP": Profile(1.73, 0.09, 8.09, 11.8),
    "mDiffFit": Profile(0.66, 0.56, 0.64, 5.8),
    "mConcatFit": Profile(143.26, 0.0, 1.22, 8.1),
    "mBgModel": Profile(384.49, 0.0, 0.10, 13.6),
    "mBackground": Profile(1.72, 0.65, 8.09, 16.2),
    "mImgtbl": Profile(2.78, 1.37, 0.12, 8.1),
    "mAdd": Profile(282.37, 137.93, 775.45, 16.0),
    "mShrink": Profile(66.10, 46.37, 0.49, 4.6),
    "mJPEG": Profile(0.64, 0.0, 0.39, 4.0),
}

CYBERSHAKE = {
    "ExtractSGT": Profile(110.58, 141.20, 155.86, 20.6),
    "SeismogramSynthesis": Profile(79.47, 70.86, 0.02, 817.6),
    "ZipSeis": Profile(265.73, 275.04, 101.05, 6.3),
    "PeakValCalcOkaya": Profile(0.55, 2.48, 0.001, 3.1),
    "ZipPSA": Profile(195.80, 237.99, 2.26, 6.2),
}

EPIGENOMICS = {
    "fastQSplit": Profile(34.32, 8.94, 13.25, 2.8),
    "filterContams": Profile(2.47, 0.43, 13.25, 3.0),
    "sol2sanger": Profile(0.48, 0.14, 10.09, 3.8),
    "fastq2bfq": Profile(1.40, 0.23, 2.22, 4.6),
    "map": Profile(201.89, 21.04, 0.93, 196.0),
    "mapMerge": Profile(11.01, 12.18, 26.71, 5.0),
    "maqIndex": Profile(43.57, 0.0, 107.53, 6.8),
    "pileup": Profile(55.95, 0.0, 83.95, 11.8),
}

LIGO = {
    "TmpltBank": Profile(18.14, 0.42, 0.94, 404.5),
    "Inspiral": Profile(460.21, 545.34, 0.30, 533.2),
    "Thinca": Profile(5.37, 0.24, 0.03, 2.6),
    "TrigBank": Profile(5.11, 0.32, 0.01, 2.0),
}

SIPHT = {
    "Patser": Profile(1.27, 0.33, 0.09, 4.5),
    "Patser_concate": Profile(0.08, 0.10, 0.57, 2.3),
    "Transterm": Profile(55.78, 48.0, 0.44, 16.0),
    "Findterm": Profile(1349.47, 796.0, 17.27, 58.0),
    "RNAMotif": Profile(36.42, 8.84, 1.05, 4.4),
    "Blast": Profile(2350.58, 1016.0, 5.27, 425.0),
    "SRNA": Profile(361.33, 342.0, 3.22, 6.0),
    "FFN_Parse": Profile(1.64, 0.24, 0.80, 5.0),
    "Blast_candidate": Profile(5.18, 0.99, 0.01, 14.0),
    "Blast_QRNA": Profile(1412.09, 98.50, 4.31, 42.0),
    "Blast_synteny": Profile(33.0, 0.0, 1.17, 14.0),
    "Blast_paralogues": Profile(4.99, 1.15, 0.78, 14.0),
    "SRNA_annotate": Profile(1.68, 0.96, 0.57, 7.0),
}
