"""Any system that speaks SIP2: single items only."""

from stacks.ils.sip2.client import Sip2
from stacks.ils.sip2.settings import Sip2Settings

__all__ = ["Sip2", "Sip2Settings"]
