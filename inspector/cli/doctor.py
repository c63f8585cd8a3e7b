"""``inspector doctor``: what this machine has, what is missing, and the line that installs it."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from inspector import __version__, places

_DEBIAN = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}
"""Debian package of each system library that Qt's X11 plugin loads."""


def missing_libraries() -> list[str]:
    """Return the shared libraries that Qt needs for a window and does not find.

    ``ldd`` reads the plugin that came with PySide6, so that the answer is about this very build.
    """
    if sys.platform != "linux" or shutil.which("ldd") is None:
        return []
    spec = importlib.util.find_spec("PySide6")
    if spec is None or not spec.submodule_search_locations:
        return []
    base = Path(next(iter(spec.submodule_search_locations))) / "Qt"
    files = [base / "plugins/platforms/libqxcb.so", base / "lib/libQt6Gui.so.6"]
    missing: list[str] = []
    for file in files:
        if not file.exists():
            continue
        listing = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False)
        for line in listing.stdout.splitlines():
            if "not found" in line:
                missing.append(line.split("=>")[0].strip())
    return sorted(set(missing))


def install_line(missing: list[str]) -> str:
    """Return the one line that installs missing libraries on Debian and its relatives."""
    packages = sorted({_DEBIAN.get(name, "") for name in missing} - {""})
    return f"apt-get install --no-install-recommends {' '.join(packages)}" if packages else ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _engine() -> tuple[str, list[str]]:
    """Start an engine; return its line about detectors, and the lines about its sandbox."""
    from inspector.engine.client import Engine
    from inspector.errors import InspectorError

    with tempfile.TemporaryDirectory(prefix="inspector-") as folder:
        engine = Engine(Path(folder))
        engine.start()
        try:
            found = engine.wait(engine.submit("catalogue"), timeout=120)["detectors"]
            broken = [row for row in found if row["status"] != "ready"]
            detectors = f"{len(found) - len(broken)} ready, {len(broken)} broken"
            return detectors, sandbox_lines(engine.layers, engine.missing)
        except (InspectorError, TimeoutError) as error:
            return f"the engine does not start: {error}", ["unknown"]
        finally:
            engine.close()


def sandbox_lines(layers: list[str], missing: dict[str, str]) -> list[str]:
    """Return the layers in force, and a line for each that this machine does not give."""
    lines = [", ".join(layers) or "none"]
    lines += [f"without {name}: {reason}" for name, reason in missing.items()]
    if missing:
        lines.append("Scans work all the same; every case records what was in force.")
    return lines


@click.command("doctor")
def doctor_command() -> None:
    """Say what this machine has and what is missing."""
    ok = True
    versions = ("torch", "torchvision", "PySide6-Essentials", "pyqtgraph", "numpy", "umap-learn")
    click.echo(f"Inspector    {__version__}")
    click.echo(f"Python       {platform.python_version()} on {platform.platform()}")
    for name in versions:
        version = _version(name)
        ok &= version != "not installed"
        click.echo(f"{name:<19}{version}")
    gpu = "NVIDIA GPU (cuda)" if Path("/dev/nvidiactl").exists() else "no GPU seen: cpu"
    click.echo(f"Device       {gpu}, {os.cpu_count()} cores")
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    platform_name = os.environ.get("QT_QPA_PLATFORM", "default")
    click.echo(f"Screen       {screen or 'none'} (Qt platform {platform_name})")
    missing = missing_libraries()
    if missing:
        ok = False
        click.echo(f"Qt           missing: {', '.join(missing)}")
        if line := install_line(missing):
            click.echo(f"             install them with: {line}")
    else:
        click.echo("Qt           all system libraries found")
    fonts = ctypes.util.find_library("fontconfig")
    if fonts is None and sys.platform == "linux":
        click.echo("Fonts        fontconfig not found: text may be missing")
    detectors, sandbox = _engine()
    click.echo(f"Detectors    {detectors}")
    for title, line in zip(["Sandbox", *[""] * len(sandbox)], sandbox, strict=False):
        click.echo(f"{title:<13}{line}")
    click.echo(f"Plugins      {places.user_plugins()}")
    click.echo("Ready." if ok else "Not ready: see above.")
    if not ok:
        raise SystemExit(2)
