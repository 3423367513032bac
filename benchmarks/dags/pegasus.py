"""Pegasus: the shapes of five scientific workflows, each with about as many tasks as asked for."""

from __future__ import annotations

from itertools import islice

from benchmarks.dags.profiles import CYBERSHAKE, EPIGENOMICS, LIGO, MONTAGE, SIPHT
from benchmarks.dags.workflow import Builder, Workflow


def montage(tasks: int) -> Workflow:
    """Sky images on a grid: overlapping ones are compared, all are levelled, then added up."""
    build = Builder(MONTAGE, seed=tasks)
    images = max(2, round((tasks - 6) / 4.5))
    overlaps = _neighbours(images, tasks - 6 - 2 * images)
    projected = [build.task("mProjectPP") for _ in range(images)]
    fits = [build.task("mDiffFit", projected[one], projected[other]) for one, other in overlaps]
    model = build.task("mBgModel", build.task("mConcatFit", *fits))
    levelled = [build.task("mBackground", image, model) for image in projected]
    mosaic = build.task("mAdd", build.task("mImgtbl", *levelled), *levelled)
    build.task("mJPEG", build.task("mShrink", mosaic))
    return build.workflow()


def _neighbours(images: int, count: int) -> list[tuple[int, int]]:
    """Pairs of images, nearest first, on a grid about as high as wide."""
    side = max(2, round(images**0.5))
    steps = [1, side, side + 1, side - 1, 2, 2 * side, *range(3, images)]
    pairs = ((one, one + step) for step in dict.fromkeys(steps) for one in range(images - step))
    return list(islice(dict.fromkeys(pairs), count))


def cybershake(tasks: int) -> Workflow:
    """Seismograms from a few large extracts, and the peak values of each; both are zipped."""
    build = Builder(CYBERSHAKE, seed=tasks)
    ruptures = max(2, tasks // 25)
    seismograms = (tasks - 2 - ruptures) // 2
    extracts = [build.task("ExtractSGT") for _ in range(ruptures)]
    synthesised = [
        build.task("SeismogramSynthesis", extracts[number * ruptures // seismograms])
        for number in range(seismograms)
    ]
    build.task("ZipSeis", *synthesised)
    build.task("ZipPSA", *(build.task("PeakValCalcOkaya", each) for each in synthesised))
    return build.workflow()


def epigenomics(tasks: int) -> Workflow:
    """Lanes of reads, each split, converted and mapped part by part, and merged."""
    build = Builder(EPIGENOMICS, seed=tasks)
    lanes = max(2, round(tasks / 140))
    parts = _shares((tasks - 3 - 2 * lanes) // 4, lanes)
    merged = []
    for count in parts:
        split = build.task("fastQSplit")
        mapped = []
        for _ in range(count):
            part = build.task("sol2sanger", build.task("filterContams", split))
            mapped.append(build.task("map", build.task("fastq2bfq", part)))
        merged.append(build.task("mapMerge", *mapped))
    build.task("pileup", build.task("maqIndex", build.task("mapMerge", *merged)))
    return build.workflow()


def ligo(tasks: int) -> Workflow:
    """Template banks are searched, coincidences searched again, group by group."""
    build = Builder(LIGO, seed=tasks)
    groups = max(2, tasks // 45)
    for count in _shares((tasks - 2 * groups) // 4, groups):
        found = [build.task("Inspiral", build.task("TmpltBank")) for _ in range(count)]
        triggers = build.task("Thinca", *found)
        again = [build.task("Inspiral", build.task("TrigBank", triggers)) for _ in range(count)]
        build.task("Thinca", *again)
    return build.workflow()


def sipht(tasks: int) -> Workflow:
    """One search for small RNA for each genome: a few very long tasks and many short ones."""
    build = Builder(SIPHT, seed=tasks)
    genomes = max(1, round(tasks / 31))
    for patsers in _shares(tasks - 13 * genomes, genomes):
        matched = build.task("Patser_concate", *(build.task("Patser") for _ in range(patsers)))
        first = ("Findterm", "RNAMotif", "Transterm", "Blast")
        found = build.task("SRNA", *(build.task(function) for function in first))
        parsed = build.task("FFN_Parse", found)
        later = ("Blast_candidate", "Blast_QRNA", "Blast_paralogues")
        checks = [build.task(function, found) for function in later]
        checks.append(build.task("Blast_synteny", found, parsed))
        build.task("SRNA_annotate", found, matched, *checks)
    return build.workflow()


def _shares(total: int, count: int) -> list[int]:
    """``total`` in ``count`` parts that differ by one at most."""
    return [(total * (place + 1)) // count - total * place // count for place in range(count)]
