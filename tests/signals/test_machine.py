"""Sizes follow from the machine and the network; streams keep order and stop when told."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from inspector.api import Control
from inspector.errors import Cancelled, InspectorError
from inspector.signals import machine, plan
from inspector.signals.plan import Budget, Plan, make_plan
from inspector.signals.streams import in_order

LIMITS = Budget(operations=16e9, tensor=4 << 20, gradients=256 << 20)


def run(work, parts, streams=3, threads=1, control=None, stopped=None):
    stopped = stopped or threading.Event()
    return list(
        in_order(
            work,
            parts,
            streams=streams,
            threads=threads,
            stopped=stopped,
            control=control or Control(),
        )
    )


def test_a_small_network_takes_batches_that_stay_in_the_cache():
    found = make_plan(LIMITS, operations=8e6, largest=100_352, parameters=1 << 20, sample=3136)
    assert found.batch == 32
    assert found.block % 32 == 0
    assert found.block >= 1024


def test_a_large_network_takes_one_sample_at_a_time():
    found = make_plan(LIMITS, operations=35e9, largest=12 << 20, parameters=1 << 29, sample=602_112)
    assert found == Plan(batch=1, block=1, sketch=1)


def test_the_callers_batch_is_obeyed():
    found = make_plan(
        LIMITS, operations=8e6, largest=1000, parameters=1000, sample=3136, batch=7, block=20
    )
    assert (found.batch, found.block) == (7, 14)


def test_a_network_of_unknown_cost_still_gets_sizes():
    assert make_plan(LIMITS, operations=0, largest=0, parameters=0, sample=0).batch == 512


def test_the_largest_output_is_seen_and_nothing_stays_behind():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 10, 3), torch.nn.Flatten()).eval()
    assert plan.largest_output(network, torch.zeros(1, 1, 8, 8)) == 10 * 36 * 4
    assert not any(module._forward_hooks for module in network.modules())


def test_cores_obey_the_quota_of_a_container(tmp_path, monkeypatch):
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(machine, "_CGROUP_QUOTA", quota)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: range(8))
    assert machine.cores() == 8
    for text, expected in (("150000 100000", 2), ("max 100000", 8), ("1000 100000", 1)):
        quota.write_text(text)
        assert machine.cores() == expected


def test_results_come_in_order_whatever_takes_longest():
    def work(part):
        time.sleep(0.02 if part % 3 == 0 else 0)
        return part

    assert run(work, range(20)) == list(range(20))


def test_streams_work_at_the_same_time():
    together = threading.Barrier(3)
    assert run(lambda part: together.wait(10) >= 0, range(3)) == [True] * 3


def test_each_stream_has_its_own_number_of_torch_threads():
    before = torch.get_num_threads()
    assert run(lambda part: torch.get_num_threads(), range(6), threads=1) == [1] * 6
    assert torch.get_num_threads() == before


def test_an_error_in_a_stream_is_raised_and_stops_the_others():
    stopped = threading.Event()

    def work(part):
        if part == 2:
            raise ValueError("broken")
        return part

    with pytest.raises(ValueError, match="broken"):
        run(work, range(50), stopped=stopped)
    assert stopped.is_set()


def test_memory_that_runs_out_is_one_clear_line():
    def work(part):
        raise MemoryError

    with pytest.raises(InspectorError, match="not enough memory"):
        run(work, range(2))


def test_a_timeout_of_a_network_drive_is_raised_and_not_waited_for():
    def work(part):
        raise TimeoutError("the drive did not answer")

    with pytest.raises(TimeoutError):
        run(work, range(2))


def test_a_cancel_is_answered_while_a_part_is_still_under_way():
    stopped = threading.Event()

    class Cancelling(Control):
        def check(self):
            if time.monotonic() > begin + 0.1:
                raise Cancelled()

    begin = time.monotonic()
    with pytest.raises(Cancelled):
        run(lambda part: stopped.wait(30), range(3), control=Cancelling(), stopped=stopped)
    assert time.monotonic() - begin < 20
