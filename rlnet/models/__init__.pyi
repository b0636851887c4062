from .batch_norm import frozen as frozen
from .building import build as build
from .config import NetworkConfig as NetworkConfig
from .network import ModeNetwork as ModeNetwork
from .switch import Switch as Switch
from .words import MODES as MODES
