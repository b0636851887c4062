from .names import CORRUPTIONS as CORRUPTIONS
from .names import EXTRA as EXTRA
from .names import SEVERITIES as SEVERITIES
from .registry import check_severity as check_severity
from .registry import corrupt as corrupt
