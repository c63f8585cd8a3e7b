"""What plugin authors and our own tests share: tiny poisoned cases and contract checks."""
