"""``SampleData``: keeps what modules register; downloads nothing, but loads samples that are files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlparse

import slicer
import slicer.util


class SampleDataSource:
    """One sample: names, addresses, checksums."""

    def __init__(
        self,
        sampleName=None,
        sampleDescription=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFileProperties=None,
        loadFileType=None,
    ):
        self.sampleName, self.sampleDescription = sampleName, sampleDescription or sampleName
        one = isinstance(uris, str)
        self.uris, self.fileNames, self.nodeNames, self.checksums = (
            [entry] if one else list(entry or []) for entry in (uris, fileNames, nodeNames, checksums)
        )
        if not one:
            self.nodeNames = self.nodeNames or [None] * len(self.uris)
            self.checksums = self.checksums or [None] * len(self.uris)
        if not len(self.uris) == len(self.fileNames) == len(self.nodeNames) == len(self.checksums):
            raise ValueError("All fields of sample data source must have the same length")
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName
        self.loadFiles, self.loadFileTypes = loadFiles, loadFileTypes or loadFileType
        self.loadFileProperties = loadFileProperties or {}

    def __eq__(self, other):
        return str(self) == str(other)

    __hash__ = None

    def __str__(self):
        return f"{self.sampleName} {self.uris} {self.fileNames} {self.nodeNames}"


class SampleDataLogic:
    """The registry is in ``slicer.modules``, as in Slicer."""

    @staticmethod
    def registerCustomSampleDataCategory(category, title):
        _registry("sampleDataSourceCategories").setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
        loadFileType=None,
    ):
        if thumbnailFileName is not None and not Path(thumbnailFileName).is_file():
            raise FileNotFoundError(f"the thumbnail does not exist: {thumbnailFileName}")
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            checksums=checksums,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes,
            loadFiles=loadFiles,
            loadFileProperties=loadFileProperties,
            loadFileType=loadFileType,
        )
        sources = _registry("sampleDataSources").setdefault(category, [])
        if source not in sources:
            sources.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        sources = _registry("sampleDataSources")
        return sources if category is None else sources.get(category, [])

    @staticmethod
    def isSampleDataSourceRegistered(category, sampleDataSource):
        return sampleDataSource in _registry("sampleDataSources").get(category, [])

    def sourceForSampleName(self, sampleName):
        return next(
            (
                source
                for sources in _registry("sampleDataSources").values()
                for source in sources
                if source.sampleName == sampleName
            ),
            None,
        )

    def downloadFromSource(self, source, maximumAttemptsCount=3, forceDownload=False):
        """Load the source's files, which must lie on this machine; the checksums are compared."""
        if source.customDownloader is not None:
            return source.customDownloader(source)
        return [self._load(*entry) for entry in zip(source.uris, source.nodeNames, source.checksums, strict=True)]

    def downloadSample(self, sampleName):
        return self.downloadFromSource(self.sourceForSampleName(sampleName))[0]

    @staticmethod
    def _load(uri, name, checksum):
        address = urlparse(uri)
        if address.scheme != "file":
            raise RuntimeError(f"the harness downloads nothing: {uri}")
        path = Path(unquote(address.path))
        if checksum is not None:
            algorithm, digest = checksum.split(":")
            if hashlib.new(algorithm.lower(), path.read_bytes()).hexdigest() != digest:
                raise ValueError(f"Checksum mismatch: {path}")
        return slicer.util.loadVolume(str(path), {"name": name})


def _registry(name: str) -> dict:
    if not hasattr(slicer.modules, name):
        setattr(slicer.modules, name, {})
    return getattr(slicer.modules, name)
