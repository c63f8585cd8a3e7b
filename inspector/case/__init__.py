"""The case folder: evidence records, journal, tags, findings and derived arrays."""

from inspector.case.arrays import ArrayInfo
from inspector.case.documents import scan_document, verdict_sentence
from inspector.case.evidence import Evidence
from inspector.case.filter import filter_names, parse_filter
from inspector.case.folder import Case
from inspector.case.journal import Entry
from inspector.case.ranking import ranking_document, write_ranking_csv
from inspector.case.table import SampleTable
from inspector.case.tag_kinds import TagKind
from inspector.case.trigger_choice import find_trigger, trigger_id
from inspector.case.trigger_document import trigger_document, trigger_sentence

__all__ = [
    "ArrayInfo",
    "Case",
    "Entry",
    "Evidence",
    "SampleTable",
    "TagKind",
    "filter_names",
    "find_trigger",
    "parse_filter",
    "ranking_document",
    "scan_document",
    "trigger_document",
    "trigger_id",
    "trigger_sentence",
    "verdict_sentence",
    "write_ranking_csv",
]
