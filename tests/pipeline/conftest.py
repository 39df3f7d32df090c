import sys
from pathlib import Path

# The real MLflow server is the RegistryPusher's tests'.
sys.path.append(str(Path(__file__).parents[1] / "components" / "registry_pusher"))
