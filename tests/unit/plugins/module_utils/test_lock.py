"""Who works on a site: real locks of the kernel, and records in a directory that stands in for /run."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils import lock as module
from ansible_collections.pitcrew.django.plugins.module_utils.last_run import LastRun
from ansible_collections.pitcrew.django.plugins.module_utils.lock import Busy, DeployLock, Holder, exclusive_visit

ANNA = Holder("anna", "laptop", "boot pid:[1] 42 7", 1_750_000_000, "a" * 16)
BERT = Holder("bert", "desk", "boot pid:[1] 43 8", 1_750_000_060, "b" * 16)
CARL = Holder("carl", "desk", "boot pid:[1] 44 9", 1_750_000_120, "c" * 16)
EXPIRES_S = 600


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployLock:
    """The lock of a site that was never deployed: its directory is not there yet."""
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.setattr(host_module, "RUN", run)
    return DeployLock(tmp_path / "srv" / "shop")


@pytest.fixture
def root(lock: DeployLock) -> Path:
    """The directory of the site, which is there."""
    lock.root.mkdir(parents=True)
    return lock.root


def silent_for(lock: DeployLock, seconds: float) -> None:
    """Let the run that has the site give no sign of life for so long."""
    then = module.uptime() - seconds
    os.utime(lock.path, (then, then))


# From the first visit of a run to its last


def test_the_first_run_has_the_site_and_gives_it_back(lock: DeployLock) -> None:
    assert lock.holder is None
    assert lock.take(ANNA, EXPIRES_S) is None
    assert lock.holder == ANNA
    assert lock.path.stat().st_mode & 0o777 == 0o600
    assert lock.free(ANNA.token, succeeded=True)
    assert lock.holder is None
    assert lock.take(BERT, EXPIRES_S) is None


def test_the_second_run_is_told_of_the_first(lock: DeployLock) -> None:
    lock.take(ANNA, EXPIRES_S)
    with pytest.raises(Busy) as refusal:
        lock.take(BERT, EXPIRES_S)
    assert str(refusal.value).startswith("shop is being deployed by anna on laptop since 2025-06-15 15:06:40 UTC; wait")
    assert "-e site_lock_break=true" in str(refusal.value)
    assert refusal.value.holder == ANNA
    assert lock.holder == ANNA


def test_the_token_is_nobody_else_s(lock: DeployLock) -> None:
    """It shows in no message, and each run has its own."""
    lock.take(ANNA, EXPIRES_S)
    assert ANNA.token not in repr(lock.holder) + str(lock.holder)
    assert not lock.free(BERT.token, succeeded=True)
    assert lock.holder == ANNA
    assert Holder("anna", "laptop", "", 0).token != Holder("anna", "laptop", "", 0).token


@pytest.mark.parametrize(("silence_s", "is_taken_over"), [(EXPIRES_S - 30, False), (EXPIRES_S + 1, True)])
def test_a_lock_expires(lock: DeployLock, silence_s: float, is_taken_over: bool) -> None:
    lock.take(ANNA, EXPIRES_S)
    silent_for(lock, silence_s)
    if is_taken_over:
        assert lock.take(BERT, EXPIRES_S) == ANNA
        assert lock.holder == BERT
    else:
        with pytest.raises(Busy, match=r"expires in (29|30) s"):
            lock.take(BERT, EXPIRES_S)


def test_a_clock_that_is_set_changes_nothing(lock: DeployLock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is a run taken for dead, nor a dead one kept for a year."""
    for ahead_s in (31_536_000, -31_536_000):
        lock.take(ANNA, EXPIRES_S, break_it=True)
        with monkeypatch.context() as patch:
            now = time.time() + ahead_s
            patch.setattr(time, "time", lambda now=now: now)
            with pytest.raises(Busy, match=r"expires in (599|600) s"):
                lock.take(BERT, EXPIRES_S)
            silent_for(lock, EXPIRES_S + 1)
            assert lock.take(BERT, EXPIRES_S) == ANNA


def test_a_lock_does_not_expire_during_a_long_visit(lock: DeployLock, root: Path) -> None:
    """Installing packages may take longer than a lock that nobody renews."""
    lock.take(ANNA, EXPIRES_S)
    with exclusive_visit(root, ANNA.token):
        silent_for(lock, 2 * EXPIRES_S)
        with pytest.raises(Busy, match="anna on laptop"):
            lock.take(BERT, EXPIRES_S)
    with pytest.raises(Busy, match="expires in 600 s"):  # The end of the visit was a sign of life.
        lock.take(BERT, EXPIRES_S)


def test_a_lock_is_broken_on_request(lock: DeployLock) -> None:
    lock.take(ANNA, EXPIRES_S)
    assert lock.take(BERT, EXPIRES_S, break_it=True) == ANNA
    assert lock.holder == BERT
    assert not lock.free(ANNA.token, succeeded=True)


def test_the_lock_of_a_process_that_is_gone_is_taken_once(lock: DeployLock) -> None:
    """Of two runs that found the same process gone, the second is refused."""
    lock.take(ANNA, EXPIRES_S)
    assert lock.take(BERT, EXPIRES_S, gone=ANNA.process) == ANNA
    with pytest.raises(Busy, match="is being deployed by bert on desk") as refusal:
        lock.take(CARL, EXPIRES_S, gone=ANNA.process)
    assert refusal.value.holder == BERT
    assert lock.holder == BERT


def test_a_holder_without_a_process_is_not_taken_for_gone(lock: DeployLock) -> None:
    lock.take(replace(ANNA, process=""), EXPIRES_S)
    with pytest.raises(Busy):
        lock.take(BERT, EXPIRES_S)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"operator": "anna"}', json.dumps({"token": 1, "x": 2})])
def test_a_record_that_says_nothing_holds_nobody_up(lock: DeployLock, text: str) -> None:
    lock.path.write_text(text)
    assert lock.holder is None
    assert lock.take(BERT, EXPIRES_S) is None


def test_each_site_has_a_lock_of_its_own(lock: DeployLock) -> None:
    lock.take(ANNA, EXPIRES_S)
    assert DeployLock(lock.root.with_name("blog")).take(BERT, EXPIRES_S) is None


def test_a_record_is_no_link(lock: DeployLock, tmp_path: Path) -> None:
    lock.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        lock.take(ANNA, EXPIRES_S)
    assert not (tmp_path / "elsewhere").exists()


# During one visit


def test_one_visit_at_a_time(root: Path) -> None:
    """The second is refused; afterwards the site is free again."""
    with (
        exclusive_visit(root),
        pytest.raises(Busy, match=r"Another run is working on the site in .*/shop; wait"),
        exclusive_visit(root),
    ):
        pass
    with exclusive_visit(root):
        assert (root / ".lock").stat().st_mode & 0o777 == 0o600


def test_a_visit_names_whose_is_under_way(lock: DeployLock, root: Path) -> None:
    lock.take(ANNA, EXPIRES_S)
    with (
        exclusive_visit(root, ANNA.token),
        pytest.raises(Busy, match="that of anna on laptop since 2025"),
        exclusive_visit(root),
    ):
        pass


def test_the_run_that_has_the_site_waits_for_what_is_left_of_another(
    lock: DeployLock, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last visit of a run that was cut off goes on by itself, and ends."""
    lock.take(ANNA, EXPIRES_S)
    with ExitStack() as left, monkeypatch.context() as patch:
        left.enter_context(exclusive_visit(root))
        patch.setattr(module.time, "sleep", lambda _seconds: left.close())
        with exclusive_visit(root, ANNA.token):
            pass
    monkeypatch.setattr(module, "VISIT_S", 0)
    with exclusive_visit(root), pytest.raises(Busy, match="Another run is working"), exclusive_visit(root, ANNA.token):
        pass


def test_a_run_whose_lock_was_taken_over_ends(lock: DeployLock, root: Path) -> None:
    """It may not go on from where it was, whatever the other one has done since."""
    lock.take(ANNA, EXPIRES_S)
    lock.take(BERT, EXPIRES_S, break_it=True)
    with pytest.raises(Busy, match=r"taken over by bert on desk"), exclusive_visit(root, ANNA.token):
        pytest.fail("the visit took place")
    with exclusive_visit(root, BERT.token):
        pass
    lock.free(BERT.token, succeeded=True)
    with pytest.raises(Busy, match="another one, which has ended since"), exclusive_visit(root, ANNA.token):
        pytest.fail("the visit took place")


def test_a_visit_that_ssh_sends_again_is_the_run_s_own(lock: DeployLock, root: Path) -> None:
    """Its first one may have given the site back meanwhile; the site is free for all others all the same."""
    lock.take(ANNA, EXPIRES_S)
    with exclusive_visit(root, ANNA.token):
        assert lock.free(ANNA.token, succeeded=True)
    with exclusive_visit(root, ANNA.token):
        assert lock.holder is None
        assert not lock.free(ANNA.token, succeeded=True)
    assert lock.take(BERT, EXPIRES_S) is None


def test_a_visit_is_a_sign_of_life_even_if_it_fails(lock: DeployLock, root: Path) -> None:
    lock.take(ANNA, EXPIRES_S)
    silent_for(lock, EXPIRES_S - 1)

    def fail() -> None:
        silent_for(lock, EXPIRES_S - 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), exclusive_visit(root, ANNA.token):
        fail()
    with pytest.raises(Busy, match="expires in 600 s"):
        lock.take(BERT, EXPIRES_S)


def test_a_visit_without_a_run_needs_no_record(lock: DeployLock, root: Path) -> None:
    """Roles can be used in a play of one's own, where nobody took the lock."""
    with exclusive_visit(root), exclusive_visit(root.parent):
        pass
    with exclusive_visit(root, replace(ANNA).token):  # A reboot has cleared the record.
        pass
    assert not lock.path.exists()


def test_the_lock_of_a_visit_is_no_link(root: Path, tmp_path: Path) -> None:
    """Root does not open what somebody else pointed it to."""
    (root / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), exclusive_visit(root):
        pass
    assert not (tmp_path / "elsewhere").exists()


# How the last run ended


@pytest.mark.parametrize("succeeded", [True, False])
def test_the_end_of_a_run_is_recorded(lock: DeployLock, root: Path, succeeded: bool) -> None:
    before = time.time()
    lock.take(ANNA, EXPIRES_S)
    assert LastRun.read(root) is None
    lock.free(ANNA.token, succeeded)
    last = LastRun.read(root)
    assert last is not None
    assert (last.by, last.began, last.succeeded) == ("anna on laptop", ANNA.since, succeeded)
    assert before <= last.ended <= time.time()
    assert (root / "last-run.json").stat().st_mode & 0o777 == 0o644


def test_a_run_that_was_cut_off_has_failed(lock: DeployLock, root: Path) -> None:
    """It ended when it gave its last sign of life; the next run records that, and then its own end."""
    lock.take(ANNA, EXPIRES_S)
    silent_for(lock, EXPIRES_S + 10)
    assert lock.silent_s == pytest.approx(EXPIRES_S + 10, abs=5)
    lock.take(BERT, EXPIRES_S)
    last = LastRun.read(root)
    assert last is not None
    assert (last.by, last.began, last.succeeded) == ("anna on laptop", ANNA.since, False)
    assert last.ended == pytest.approx(time.time() - EXPIRES_S - 10, abs=5)
    lock.free(BERT.token, succeeded=True)
    last = LastRun.read(root)
    assert last is not None
    assert (last.by, last.succeeded) == ("bert on desk", True)


def test_a_run_whose_lock_was_taken_over_records_nothing(lock: DeployLock, root: Path) -> None:
    lock.take(ANNA, EXPIRES_S)
    lock.take(BERT, EXPIRES_S, break_it=True)
    (root / "last-run.json").unlink()
    assert not lock.free(ANNA.token, succeeded=True)
    assert LastRun.read(root) is None


def test_nobody_is_silent_where_no_run_holds_the_site(lock: DeployLock) -> None:
    assert lock.silent_s is None
    lock.take(ANNA, EXPIRES_S)
    lock.free(ANNA.token, succeeded=True)
    assert lock.silent_s is None


def test_a_run_that_ends_before_the_site_has_a_directory_leaves_no_record(lock: DeployLock) -> None:
    lock.take(ANNA, EXPIRES_S)
    assert lock.free(ANNA.token, succeeded=False)
    assert not lock.root.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"by": "anna"}', "{", "null"])
def test_a_record_that_is_damaged_is_none(root: Path, text: str) -> None:
    (root / "last-run.json").write_text(text)
    assert LastRun.read(root) is None
