"""``python -m tests.units FOLDER``: has systemd itself check the units of a folder. For `make deploy-check`.

`systemd-analyze verify` wants the program to be there: it is given units that name another one that is.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which

INSTALLED = "/opt/trinario/bin/trinario"


def main() -> int:
    """0: well, or no systemd here, which is said."""
    if which("systemd-analyze") is None:
        print("NOT CHECKED: the systemd units: systemd-analyze is not on this machine")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for unit in sorted(Path(sys.argv[1]).iterdir()):
            name = unit.name.replace("@.", "@bridge-whatsapp.")
            (Path(folder) / unit.name).write_text(unit.read_text().replace(INSTALLED, "/bin/true"))
            names.append(str(Path(folder) / name))
        checked = subprocess.run(["systemd-analyze", "verify", *names], check=False, capture_output=True, text=True)
    said = (checked.stdout + checked.stderr).strip()
    if checked.returncode or said:
        print(said)
        return 1
    print(f"{sys.argv[1]}: well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
