"""What plugin authors and our own tests share: tiny poisoned cases and contract checks."""

from inspector.testing.cases import PlantedCase, make_case
from inspector.testing.contexts import planted_context
from inspector.testing.contract import CheckResult, check_detector, contract_results

__all__ = [
    "CheckResult",
    "PlantedCase",
    "check_detector",
    "contract_results",
    "make_case",
    "planted_context",
]
