"""What is known of file systems: where they are, how full, and the spare file."""

import os
from pathlib import Path

from dockboard_registry.disk import Disk, Room, SpareFile, is_local


def test_disks_of_this_machine_are_told_from_others(tmp_path):
    assert is_local(tmp_path)
    assert is_local(tmp_path / "not there yet")
    assert not is_local(Path("/proc/self"))
    assert not is_local(tmp_path, Path("/proc/self"))


def test_the_reserve_counts(tmp_path):
    found = os.statvfs(tmp_path)
    free = found.f_bavail * found.f_frsize
    assert abs(Disk(tmp_path, 0).left() - free) < 1 << 30
    assert Disk(tmp_path, 1 << 62).left() < 0
    assert Disk(tmp_path, -1).left() < free


def test_a_disk_is_nearly_full_before_it_is_full():
    found = [Room(100, free, 10) for free in (9, 10, 19, 20)]
    assert [room.full for room in found] == [True, False, False, False]
    assert [room.nearly_full for room in found] == [True, True, True, False]
    assert not Room(0, 0, 10).full and not Room(0, 0, 10).nearly_full


def test_a_file_system_that_tells_no_size_is_never_full():
    assert Disk("/proc", -1).left() > 1 << 60


def test_a_spare_file_takes_room_once_and_gives_it_back(tmp_path):
    spare = SpareFile(f"{tmp_path}/spare")
    spare.make(1 << 20)
    spare.make(2 << 20)
    assert (tmp_path / "spare").stat().st_size == 1 << 20 and (tmp_path / "spare").stat().st_blocks * 512 >= 1 << 20
    assert spare.release() and not spare.release() and not spare.exists()


def test_a_spare_file_is_never_made_through_a_link(tmp_path):
    (tmp_path / "spare").symlink_to(tmp_path / "precious")
    SpareFile(f"{tmp_path}/spare").make(4096)
    assert not (tmp_path / "precious").exists()
