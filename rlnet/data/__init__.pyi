from .config import DataConfig as DataConfig
from .dataset import Dataset as Dataset
from .dataset import ImageSet as ImageSet
from .loading import load as load
