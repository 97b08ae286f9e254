"""The suite among moving things: its cases, its results, and closed loops."""

from __future__ import annotations

from dataclasses import replace
import json

import numpy as np
import pytest

from mppi_ros.cli.evaluate import main
from mppi_ros.evaluation.people import tracks
from mppi_ros.evaluation.people.baselines import BASELINES, driver_of
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.parameters.errors import InputError

PEOPLE = {
    'contact_moving', 'contact_standing', 'frozen_share', 'intimate_s', 'winnable',
    'time_over_ideal',
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a world of DynaBARN, two cases of CrowdNav and a record of tracks."""
    for name in ('dynabarn', 'crowdnav', 'eth_ucy'):
        (tmp_path / name).mkdir()
    frames = [[0.0, 0.0, -8.0], [8.0, 0.0, 0.0], [16.0, 0.0, 8.0]]
    world = {'radius_m': 0.5, 'obstacles': [{'period_s': 16.0, 'keyframes': frames}]}
    (tmp_path / 'dynabarn' / 'world_7.json').write_text(json.dumps(world))
    # Case 0: somebody far away; case 1: somebody walks down to where the robot starts.
    steps = np.arange(105)
    apart = np.column_stack([np.full(105, 6.0), np.full(105, 6.0)])
    towards = np.column_stack([np.zeros(105), 4.0 - 0.25 * steps])
    np.savez(
        tmp_path / 'crowdnav' / 'cases.npz', positions=np.array([apart, towards])[:, :, None],
        time_step=0.25, radius=0.3,
    )
    lines = [tracks.COLUMNS]
    for person in range(15):
        for t in np.arange(0.0, 12.1, 0.4):
            lines.append(f'{t + 5 * person:.2f},{person},{t - 6:.3f},{2 * (person % 3):.3f}')
    (tmp_path / 'eth_ucy' / 'walk.csv').write_text('\n'.join(lines))
    return tmp_path


def cases(folder, *only, **changes):
    return cases_of('people', Request(data=folder, only=only, **changes))


def test_scenarios_are_named_by_suite_and_number(folder):
    names = [case.scenario for case in cases(folder)]
    assert len(names) == len(set(names))
    expected = {
        'dynabarn/7', 'dynabarn_gentle/7', 'crowdnav/0', 'crowdnav_omni/1', 'tracks/walk_across/0'
    }
    assert expected <= set(names)
    assert [case.scenario for case in cases(folder, 'dynabarn/7', 'crowdnav/1')] == [
        'dynabarn/7', 'crowdnav/1'
    ]  # fmt: skip
    below = [case.scenario for case in cases(folder, 'tracks/walk_along')]
    assert below == [f'tracks/walk_along/{number}' for number in range(tracks.EPISODES)]
    with pytest.raises(InputError, match=r"'crowdnav/9'; there are dynabarn"):
        cases(folder, 'crowdnav/9')


def test_each_suite_has_the_protocol_of_its_origin(folder):
    barn, gentle, crowd, omni = cases(
        folder, 'dynabarn', 'dynabarn_gentle', 'crowdnav/0', 'crowdnav_omni/0'
    )
    assert (barn.start[:2], barn.goal[:2]) == ((11.0, 0.0), (-9.0, 0.0))
    assert (barn.goal_radius, barn.timeout) == (1.0, 100.0)
    assert barn.configuration.limits.vx_max == 2.0
    assert gentle.configuration.limits.vx_max == -gentle.configuration.limits.vx_min == 0.5
    assert replace(gentle, configuration=barn.configuration, scenario='dynabarn/7') == barn
    assert (crowd.start[:2], crowd.goal[:2], crowd.timeout) == ((0.0, -4.0), (0.0, 4.0), 25.0)
    assert crowd.configuration.robot.radius == 0.3
    assert crowd.configuration.motion_model == 'diff_drive'
    assert omni.configuration.motion_model == 'omni'
    world = barn.episode(1.0).world
    for place in ((-10.0, 3.02), (4.02, 10.0), (4.02, -10.0)):
        assert world.clearance(0.1, (*place, 0.0)) == 0.0
    assert world.clearance(0.1, (10.5, 0.0, 0.0)) > 0.5  # open towards the start
    assert len(json.dumps(barn.inputs())) < 1000


def test_bad_requests_are_told_in_one_line(folder, tmp_path, capsys):
    assert main(['people']) == 2
    assert '--data is needed' in capsys.readouterr().err
    (tmp_path / 'empty').mkdir()
    assert main(['people', '--data', str(tmp_path / 'empty')]) == 2
    assert 'world_N.json' in capsys.readouterr().err
    (folder / 'dynabarn' / 'world_7.json').write_text('{')
    assert main(['people', '--data', str(folder), '--only', 'dynabarn/7']) == 2
    told = capsys.readouterr().err
    assert 'world_7.json' in told and len(told.splitlines()) == 1
    with pytest.raises(InputError, match='unknown baseline'):
        cases(folder, baseline='luck')


def test_a_drive_past_somebody_far_away_is_free_and_told_in_full(folder, tmp_path):
    out = tmp_path / 'out.json'
    only = ['--data', str(folder), '--only', 'crowdnav/0', '--jobs', '1', '--json', str(out)]
    assert main(['people', *only]) == 0
    told = json.loads(out.read_text())
    (episode,) = told['episodes']
    assert episode.keys() >= PEOPLE
    assert episode['success'] and episode['winnable']
    assert not (episode['contact_moving'] or episode['contact_standing'])
    assert episode['intimate_s'] == episode['frozen_share'] == 0.0
    assert 0.8 < episode['time_over_ideal'] < 1.5
    assert told['summary']['winnable_rate'] == 1.0


def test_somebody_walks_into_a_robot_that_stands(folder):
    (case,) = cases(folder, 'crowdnav/1', baseline='standing')
    told, result = case.run()
    assert told['contact_standing'] and not told['contact_moving']
    # Edge to edge at y = −3.4 m, after 7.4 m at 1 m/s.
    assert told['time_s'] == pytest.approx(7.4, abs=0.05)
    assert told['winnable'] and told['frozen_share'] == 1.0
    assert case.discs(1.0) == pytest.approx(np.array([[0.0, 3.0, 0.3]]))
    blind, _ = cases(folder, 'crowdnav/1', baseline='blind')[0].run()
    assert blind['contact_moving'] and blind['time_s'] < 5.0


@pytest.mark.parametrize('scenario', ['crowdnav/1', 'crowdnav_omni/1'])
def test_orca_with_more_room_gets_past_somebody_who_comes_head_on(folder, scenario):
    pytest.importorskip('pyrvo', reason="needs pyrvo: pip install 'mppi_ros[people]'")
    (case,) = cases(folder, scenario, baseline='orca_room')
    told, _ = case.run()
    assert told['success'] and told['min_moving_distance_m'] > 0.0


def test_each_baseline_changes_what_drives(folder):
    (own,) = cases(folder, 'crowdnav/0')
    for baseline in BASELINES:
        (case,) = cases(folder, 'crowdnav/0', baseline=baseline)
        other = driver_of(baseline, own.episode(1.0).world, own.goal) is not None
        unseeing = case.episode(1.0).sensing == 'map'
        assert other or unseeing or case.configuration != own.configuration, baseline


def test_recorded_cases_are_made(data):
    if not (data / 'people').is_dir():
        pytest.skip(f'{data / "people"} is not there')
    found = cases(data / 'people', 'dynabarn/0', 'crowdnav/17', 'tracks/eth_across/3')
    assert [len(case.people()) > 2 for case in found] == [True] * 3
