"""Commit: make a router's kernel, NAT and FRR what a configuration says, or leave all three exactly as they were.

Runs as root in the helper. Blocking; one call at a time for each router.
"""

from __future__ import annotations

import logging
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ..common.errors import EngineError
from . import daemons, frrdiff, kernel, render
from .frrdiff import Config, Step
from .kernel import Baseline, KernelError, Snapshot
from .model import CommitError
from .plan import KernelPlan
from .tree import Tree
from .vty import Vty, VtyError

log = logging.getLogger(__name__)
NO_NAT = render.nft_ruleset(Tree())
UNKNOWN = "unknown"  # whatever an earlier process left there


class FrrError(Exception):
    """FRR refused a command; the text is what it said."""


_FAILURES = (KernelError, VtyError, FrrError, EngineError, OSError, subprocess.TimeoutExpired)


@dataclass
class Box:
    """One router. `plan`, `nat`, `frr` is what was applied last (None, or the text for no NAT: nothing yet); `shown` is nft's listing of `nat`."""

    name: str
    namespace: str
    directory: Path
    baselines: dict[str, Baseline]
    plan: KernelPlan | None = None
    nat: str = NO_NAT
    shown: str = ""
    frr: Config = field(default_factory=Config)
    frr_text: str = ""
    # Lines that FRR took without complaint and shows otherwise: "-" is only in what was sent, "+" only in what it shows.
    tolerated: frozenset[tuple[str, frrdiff.Context, str]] = frozenset()

    def commit(self, tree: Tree) -> None:
        """Make the box what the tree says. Raises CommitError when a part refuses; then everything is as before."""
        try:
            if self.plan is None:
                self._prepare_zebra()
            before = self._snapshot(tree)
        except _FAILURES as error:
            raise CommitError("", str(error)) from error
        nat, plan = self.nat, self.plan
        section = "interfaces"
        try:
            self._interfaces(tree, before)
            section = "system sysctl"
            self._sysctls(tree)
            section = "nat"
            self._nat(render.nft_ruleset(tree))
            section = "protocols"
            self._frr(tree)
        except _FAILURES as error:
            self._back(before, plan, nat)
            raise CommitError(_section(section, str(error)), str(error)) from error
        except Exception as error:  # a mistake of this program must not leave half a commit either
            log.exception("%s: commit", self.name)
            self._back(before, plan, nat)
            raise CommitError(section, f"internal error of the embedded engine: {type(error).__name__}") from error

    def _prepare_zebra(self) -> None:
        """No kernel nexthop objects (see `daemons.prepare`): said again here, should a newer zebra not read its own file."""
        with Vty(daemons.socket_dir(self.directory) / "zebra.vty") as vty:
            for line in ("configure terminal", "no zebra nexthop kernel enable"):
                code, text = vty.command(line)
                if code != 0:
                    raise FrrError(_said(line, code, text))

    def restore(self, tree: Tree) -> None:
        """Bring the box back to a tree that was committed before, whatever happened to it (daemons or interfaces made anew).

        Raises CommitError.
        """
        if self.plan is None:  # a new process that finds a router that runs already
            self.plan = render.kernel_plan(tree)
            self.nat = UNKNOWN
        try:
            self.frr, self.frr_text = frrdiff.parse(self._running()), ""
        except VtyError as error:
            raise CommitError("protocols", str(error)) from error
        self.commit(tree)

    # -- kernel and NAT ------------------------------------------------------------

    def _snapshot(self, tree: Tree) -> Snapshot:
        names = list(render.kernel_plan(tree).sysctls)
        return Snapshot(kernel.read(self.namespace), kernel.read_sysctls(self.namespace, names))

    def _interfaces(self, tree: Tree, before: Snapshot) -> None:
        plan = render.kernel_plan(tree)
        want = kernel.target(before.interfaces, self.plan, plan, self.baselines)
        kernel.apply(self.namespace, before.interfaces, want)
        self.plan = plan

    def _sysctls(self, tree: Tree) -> None:
        plan = render.kernel_plan(tree)
        own = tree.keys("system", "sysctl", "parameter")
        kernel.write_sysctls(self.namespace, {name: value for name, value in plan.sysctls.items() if name not in own})
        kernel.write_sysctls(self.namespace, {name: value for name, value in plan.sysctls.items() if name in own}, optional=False)

    def _nat(self, ruleset: str) -> None:
        if ruleset != self.nat:
            kernel.run(self.namespace, "nft", "-f", "-", text=ruleset)
            self.nat, self.shown = ruleset, self._listing()

    def _listing(self) -> str:
        """The NAT table as nft shows it, without counters; "" when there is none."""
        try:
            return kernel.run(self.namespace, "nft", "-s", "list", "table", "ip", render.NAT_TABLE)
        except KernelError:
            return ""

    def mend_nat(self) -> bool:
        """Load the NAT rules again when somebody changed or flushed them behind the configuration; whether that was so. Raises KernelError, OSError.

        Routes, interfaces and FRR notice each other's changes; rules have nobody who would.
        """
        if self.nat in (NO_NAT, UNKNOWN) or self._listing() == self.shown:
            return False
        nat, self.nat = self.nat, UNKNOWN
        try:
            self._nat(nat)
        finally:
            self.nat = nat
        return True

    def _back(self, before: Snapshot, plan: KernelPlan | None, nat: str) -> None:
        """Undo a half-done commit; what cannot be undone is logged, the rest is undone all the same."""
        self.plan = plan
        for what, undo in (
            ("FRR", lambda: self._converge(self.frr, forgive=True)),
            ("NAT", lambda: self._nat(nat)),
            ("interfaces", lambda: kernel.apply(self.namespace, kernel.read(self.namespace), before.interfaces)),
            ("sysctls", lambda: kernel.write_sysctls(self.namespace, before.sysctls)),
        ):
            for last in (False, True):  # what refuses once may be what made the commit fail
                try:
                    undo()
                    break
                except Exception as error:
                    log.error("%s: going back after a failed commit: %s: %s%s", self.name, what, error, "" if last else "; trying again")

    # -- FRR -----------------------------------------------------------------------

    def _frr(self, tree: Tree) -> None:
        text = render.frr_config(tree)
        if text == self.frr_text:
            return
        new = frrdiff.parse(text)
        self._start_more([name for name, needed in (("staticd", bool(render.static(tree))), ("bfdd", render.needs_bfdd(tree))) if needed])
        try:
            self._send(frrdiff.steps(self.frr, new))
        except FrrError as error:
            log.info("%s: by difference: %s; computing it anew from the running configuration", self.name, error)
        self._hostname(render.hostname(tree))
        self._converge(new)
        self.frr, self.frr_text = new, text

    def _start_more(self, names: list[str]) -> None:
        """Start daemons that only this configuration needs; once started they stay."""
        absent = [name for name in names if name not in daemons.expected(self.directory)]
        daemons.start(self.directory, self.namespace, absent)
        daemons.wait([self.directory], absent)

    def _converge(self, new: Config, *, forgive: bool = False) -> None:
        """Compare what FRR runs with what it should, and send the difference. Lines it accepts and shows otherwise are remembered.

        forgive: go on behind a refused line (on the way back everything that can be set must be). Raises FrrError.
        """
        difference = self._difference(new)
        if not difference - self.tolerated:
            self.tolerated &= difference  # what it showed otherwise before may be gone
            return
        log.info("%s: FRR's running configuration differs: %s", self.name, _masked(str(sorted(difference))))
        # A line can take another with it (a neighbour that becomes internal loses its hops): what is missing then is given again.
        for _ in range(3):
            self._send(frrdiff.steps(frrdiff.parse(self._running()), new), forgive=forgive)
            before, difference = difference, self._difference(new)
            if not difference or difference == before:
                break
        if difference:
            log.warning("%s: FRR accepted the configuration and shows it differently: %s", self.name, _masked(str(sorted(difference))))
        self.tolerated = frozenset(difference)

    def _difference(self, new: Config) -> set[tuple[str, frrdiff.Context, str]]:
        shown, wanted = frrdiff.parse(self._running()).lines(), new.lines()
        return {("+", *line) for line in shown - wanted} | {("-", *line) for line in wanted - shown}

    def _running(self) -> str:
        """The running configuration of all daemons together, in the text form of vtysh's own collection."""
        parts = []
        for name in daemons.expected(self.directory):
            with Vty(daemons.socket_dir(self.directory) / f"{name}.vty") as vty:
                parts.append(vty.command("show running-config")[1])
        return "\nend\n".join(parts)

    def _hostname(self, name: str) -> None:
        for daemon in daemons.expected(self.directory):
            with Vty(daemons.socket_dir(self.directory) / f"{daemon}.vty") as vty:
                vty.command("configure terminal")
                vty.command(f"hostname {name}")

    def _send(self, steps: list[Step], *, forgive: bool = False) -> None:
        """Give the commands to the daemons they are for. Raises FrrError at the first that is refused."""
        present = set(daemons.expected(self.directory))
        with _Connections(daemons.socket_dir(self.directory)) as connections:
            for step in steps:
                for command in step.commands or ("",):
                    targets = frrdiff.daemons(step.context, command, mgmtd="mgmtd" in present)
                    for number, daemon in enumerate(targets):
                        if daemon not in present:
                            if number == 0 and not command.startswith("no "):
                                raise FrrError(f"{daemon} is not running")
                            continue
                        refused = connections.give(daemon, step.context, command)
                        # The first daemon is the one that matters; the others take of shared policy what they know.
                        if refused is not None and number == 0 and not forgive:
                            raise FrrError(refused)


class _Connections:
    """One vty per daemon, each in configuration mode, remembering the context it is in."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[str, tuple[Vty, list[str]]] = {}

    def __enter__(self) -> _Connections:
        return self

    def __exit__(self, *_: object) -> None:
        for vty, _context in self._open.values():
            vty.__exit__()

    def give(self, daemon: str, context: frrdiff.Context, command: str) -> str | None:
        """None, or what the daemon said when it refused."""
        if daemon not in self._open:
            vty = Vty(self._directory / f"{daemon}.vty")
            vty.command("configure terminal")
            self._open[daemon] = (vty, [])
        vty, here = self._open[daemon]
        if tuple(here) != context:
            vty.command("end")
            vty.command("configure terminal")
            here.clear()
            for opener in context:
                code, text = vty.command(opener)
                if code != 0:
                    return _said(opener, code, text)
                here.append(opener)
        if not command:
            return None
        code, text = vty.command(command)
        return _said(command, code, text) if code != 0 else None


def _said(command: str, code: int, text: str) -> str:
    return _masked(f"{' '.join(text.split()) or f'FRR refused it ({code})'} [{command}]")


def _masked(text: str) -> str:
    """Without the neighbours' passwords: it goes to logs and to screens."""
    return re.sub(r"( password )[^ \]'\")]+", r"\1******", text)


def _section(section: str, text: str) -> str:
    """The configuration path that a failure belongs to, for `[[...]] failed`."""
    if section == "protocols":
        return "protocols static" if "[ip route" in text or "[ipv6 route" in text else "protocols bgp"
    return section
