"""The dashboard in a browser, with a controller that drives a simulated robot."""
from __future__ import annotations

from collections.abc import Callable, Iterator
import math
import os
from pathlib import Path
import re
import shutil
import signal
import time
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')
pytest.importorskip('nicegui', reason='needs nicegui: make test-dashboard')
playwright = pytest.importorskip(
    'playwright.sync_api', reason='needs playwright: make test-dashboard')

from nav_msgs.msg import Path as PathMessage  # noqa: E402
from system.harness import GOAL, START, TIMEOUT, WORLD, Processes, Watcher  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from mppi_ros.control.parameters import read_yaml  # noqa: E402
from mppi_ros.evaluation.processes import free_domain  # noqa: E402
from mppi_ros.ros.qos import LATCHED  # noqa: E402

expect = playwright.expect
expect.set_options(timeout=1e3 * TIMEOUT)
NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
PHONE, DESKTOP = {'width': 390, 'height': 844}, {'width': 1440, 'height': 900}
LIGHT = ('-p', 'samples:=256', '-p', 'control_rate:=10.0')  # low CPU load
TEXT_CONTRAST = 4.5  # WCAG 2.2, level AA
SOAK = 30 * 60.0  # [s]
FILLED = 5 * 60.0  # [s] until the buffers of node and browser are full
MAX_GROWTH = 8.0  # [MiB] of the node, and of the page heap, after the buffers are full

COLORS = """names => {
    const style = getComputedStyle(document.body);
    return Object.fromEntries(names.map(n => [n, style.getPropertyValue("--" + n).trim()]));
}"""
DRAWN = """() => {
    const chart = document.querySelector("figure.wide .chart");
    const { series } = getElement(Number(chart.id.slice(1))).chart.getOption();
    return series.some(one => one.name === "progress" && one.data.some(point => point[1] > 0));
}"""
SERIES = """label => {
    const charts = [...document.querySelectorAll('.chart')];
    const chart = charts.find(one => one.getAttribute('aria-label') === `Chart: ${label}`);
    const { series } = getElement(Number(chart.id.slice(1))).chart.getOption();
    return Object.fromEntries(series.map(one => [one.id, one.data]));
}"""
LAYERS = """() => {
    const { layers, scene } = getElement(Number(document.querySelector(".scene").id.slice(1)));
    return [...Object.keys(layers), ...(scene.plan ? ["plan"] : [])].sort();
}"""
UNLABELLED = """() => [...document.querySelectorAll(
    "button, input, select, textarea, [role=slider], [role=tab], [role=switch], [role=img]")]
    .filter(e => e.type !== "hidden" && e.tabIndex >= 0 && !e.closest("[aria-hidden=true]"))
    .filter(e => !(e.getAttribute("aria-label") || e.textContent.trim()
        || [...(e.labels || [])].some(label => label.textContent.trim())))
    .map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture(scope='module')
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as play:
        bundled = play.chromium.executable_path
        found = bundled if Path(bundled).exists() else next(
            filter(None, map(shutil.which, NAMES)), None)
        if found is None:
            pytest.skip('needs Chromium')
        running = play.chromium.launch(
            executable_path=found, args=['--no-sandbox', '--disable-gpu'])
        yield running
        running.close()


@pytest.fixture(scope='module')
def domain() -> Iterator[None]:
    before = dict(os.environ)
    os.environ['ROS_DOMAIN_ID'] = str(free_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope='module')
def nodes(domain: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Start simulator, planner, controller and dashboard in a namespace."""
    folder = tmp_path_factory.mktemp('nodes')
    (folder / 'world.csv').write_text(WORLD, 'utf-8')
    with Processes(folder) as running:
        space = ('-r', '__ns:=/robot1')
        running.start('mppi_dashboard', *space, '-p', 'port:=0')
        running.start(
            'mppi_controller', *space, *LIGHT, '-p', f'record:={folder / "run.mcap"}')
        running.start('kinematic_simulator', *space, '-p', f'world:={folder / "world.csv"}',
                      '-p', f'start:={list(START)}')
        running.start('path_planner', *space)
        yield running


@pytest.fixture(scope='module')
def watcher(nodes: Processes) -> Iterator[Watcher]:
    node = Watcher(namespace='robot1')
    yield node
    node.close()


def address_of(nodes: Processes, watcher: Watcher, name: str) -> str:
    def found() -> list[str]:
        return re.findall(r'the page is at (http\S+)', nodes.printed(name))

    watcher.wait_for(found, 'the address of the page')
    return found()[0]


@pytest.fixture(scope='module')
def address(nodes: Processes, watcher: Watcher) -> str:
    return address_of(nodes, watcher, 'mppi_dashboard')


@pytest.fixture
def open_page(browser, address: str) -> Iterator[Callable[..., object]]:
    contexts = []

    def open_(size=DESKTOP, scheme='light', address=address):
        context = browser.new_context(
            viewport=size, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(1e3 * TIMEOUT)
        page.problems = []
        page.hosts = set()
        page.on('pageerror', lambda error: page.problems.append(str(error)))
        page.on('request', lambda request: page.hosts.add(urlsplit(request.url).netloc))
        page.goto(address)
        expect(page.locator('.scene canvas[data-x]')).to_be_attached()
        expect(page.locator('[data-group=noise]')).to_be_attached()
        return page

    yield open_
    for context in contexts:
        for page in context.pages:
            assert page.problems == []
        context.close()


def x_of(page) -> float:
    return float(page.locator('.scene canvas').get_attribute('data-x'))


def send_goal(page, x: float, y: float) -> None:
    page.get_by_text('Goal by numbers').click()
    page.get_by_label('goal x [m]').fill(str(x))
    page.get_by_label('goal y [m]').fill(str(y))
    page.get_by_role('button', name='send goal').click()


def row_of(page, name: str, search='Search parameters'):
    """Search a parameter and return its row."""
    page.get_by_label(search).fill(name)
    row = page.locator(f'[data-parameter="{name}"]:visible')
    expect(row).to_have_count(1)
    return row


def value_of(watcher: Watcher, name: str):
    (value,) = watcher.get_parameters(name)
    return value.double_value or value.integer_value


def test_page_shows_robot_motion_and_loads_no_external_resources(open_page, address):
    page = open_page()
    start_x = x_of(page)
    goal_x = GOAL[0] if start_x < 2.0 else START[0]
    send_goal(page, goal_x, 0.5)
    expect(page.locator('.status')).to_contain_text('The robot drives')
    page.wait_for_function(
        'x => Math.abs(document.querySelector(".scene canvas").dataset.x - x) > 0.3', arg=start_x)
    expect(page.locator('[data-tile=vx]')).to_have_text(re.compile(r'\d m/s'))
    expect(page.locator('[data-tile=ess]')).to_have_text(re.compile(r'\d'))
    expect(page.locator('.scene canvas')).to_have_attribute(
        'aria-label', re.compile(r'[1-9]\d* candidate trajectories'))
    page.locator('figure.wide .chart').scroll_into_view_if_needed()
    page.wait_for_function(DRAWN)
    assert page.hosts == {urlsplit(address).netloc}


def draft(page, name: str, value: str):
    """Set a draft value on the What-if tab and return its row."""
    row = row_of(page, name, 'Search drafts')
    row.get_by_role('textbox').fill(value)
    row.get_by_role('textbox').press('Enter')
    return row


@pytest.mark.parametrize(('size', 'scheme'), [(DESKTOP, 'light'), (PHONE, 'dark')])
def test_recorded_tick_is_solved_again_with_draft_parameters(open_page, watcher, size, scheme):
    page = open_page(size, scheme)
    goal_x = GOAL[0] if x_of(page) < 2.0 else START[0]
    send_goal(page, goal_x, 0.5)
    expect(page.locator('.status')).to_contain_text('The robot drives')
    page.get_by_role('button', name='pause').click()
    before = value_of(watcher, 'alpha')
    page.get_by_role('tab', name='What if').click()
    solve = page.get_by_role('button', name='solve again')
    expect(solve).to_be_disabled()
    refused = draft(page, 'alpha', '7')
    expect(refused.get_by_role('alert')).to_contain_text('Refused: alpha = 7')
    expect(draft(page, 'alpha', '1')).to_have_class(re.compile('changed'))
    draft(page, 'samples', '512')
    solve.click()
    expect(page.locator('.scene canvas')).to_have_attribute('data-fans', '30,30')
    result = page.get_by_role('region', name='What if')
    expect(result).to_contain_text('has the recorded result to the last bit')
    expect(result).to_contain_text('alpha: 0.5 → 1; samples: 256 → 512')
    expect(result.get_by_role('row', name='samples K')).to_contain_text('512')
    expect(result.get_by_role('row', name='state')).to_contain_text('driving')
    expect(page.locator('.scene')).to_be_in_viewport(ratio=0.9)
    assert page.evaluate('document.documentElement.scrollWidth') <= size['width']
    assert value_of(watcher, 'alpha') == before and value_of(watcher, 'samples') == 256
    page.get_by_role('button', name='live').click()
    expect(result).not_to_be_visible()
    expect(page.locator('.scene canvas[data-fans]')).to_have_count(0)


def test_draft_parameters_are_applied_to_the_robot_on_request(open_page, watcher):
    page = open_page()
    page.get_by_role('tab', name='What if').click()
    draft(page, 'alpha', '0.75')
    page.get_by_role('button', name='set on the robot').click()
    watcher.wait_for(lambda: value_of(watcher, 'alpha') == 0.75, 'the draft')
    expect(page.get_by_role('button', name='solve again')).to_be_disabled()
    page.get_by_role('tab', name='Parameters').click()
    expect(page.get_by_role('button', name='solve again')).to_have_count(0)
    page.get_by_role('button', name='undo').click()
    watcher.wait_for(lambda: value_of(watcher, 'alpha') == 0.5, 'the previous value')


def test_stop_and_resume_buttons_disable_and_enable_the_controller(open_page, watcher):
    page = open_page()
    page.get_by_role('button', name='stop robot').click()
    expect(page.locator('.status')).to_contain_text('The controller is disabled.')
    page.get_by_role('button', name='resume').click()
    expect(page.get_by_role('button', name='stop robot')).to_be_visible()
    expect(page.locator('.status')).not_to_contain_text('disabled')


def test_mouse_drag_in_the_scene_publishes_a_goal(open_page, watcher):
    page = open_page()
    plans: list[PathMessage] = []
    subscription = watcher.node.create_subscription(PathMessage, 'plan', plans.append, LATCHED)
    page.get_by_role('switch', name='set goal').click()
    expect(page.locator('.scene canvas.goal-mode')).to_be_attached()
    box = page.locator('.scene canvas').bounding_box()
    x, y = box['x'] + 0.6 * box['width'], box['y'] + 0.5 * box['height']
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 100.0)
    page.mouse.up()
    sent = page.get_by_text(re.compile(r'goal \(.*\) m, 90° sent on /robot1/goal_pose'))
    expect(sent).to_be_attached()
    goal = [float(number) for number in re.findall(r'-?[\d.]+', sent.inner_text())[:2]]

    def planned() -> bool:
        ends = [message.poses[-1].pose.position for message in plans if message.poses]
        return any(math.dist((end.x, end.y), goal) < 0.1 for end in ends)

    watcher.wait_for(planned, 'a plan to the goal')
    watcher.node.destroy_subscription(subscription)


def test_slider_key_press_sets_the_parameter_and_undo_reverts_it(
        open_page, watcher):
    page = open_page()
    before = value_of(watcher, 'critics.path_tracking.weight')
    row = row_of(page, 'critics.path_tracking.weight')
    row.get_by_role('slider').focus()
    page.keyboard.press('ArrowRight')
    watcher.wait_for(
        lambda: value_of(watcher, 'critics.path_tracking.weight') > before, 'the new value')
    expect(row).to_have_class(re.compile('changed'))
    page.get_by_role('button', name='undo').click()
    watcher.wait_for(
        lambda: value_of(watcher, 'critics.path_tracking.weight') == before, 'the previous value')
    expect(row).not_to_have_class(re.compile('changed'))


def test_slider_value_is_sent_only_on_release(open_page, watcher):
    page = open_page()
    send_goal(page, GOAL[0] if x_of(page) < 2.0 else START[0], 0.5)
    slider = row_of(page, 'alpha').get_by_role('slider')
    box = slider.bounding_box()
    y = box['y'] + 0.5 * box['height']
    page.mouse.move(box['x'] + 0.26 * box['width'], y)
    page.mouse.down()
    page.mouse.move(box['x'] + 0.5 * box['width'], y, steps=4)
    held = float(slider.input_value())
    assert held > 0.9
    page.wait_for_timeout(1500)  # the page receives updates meanwhile
    assert float(slider.input_value()) == held and value_of(watcher, 'alpha') == 0.5
    page.mouse.up()
    watcher.wait_for(lambda: value_of(watcher, 'alpha') == held, 'the new value')
    page.get_by_role('button', name='undo').click()
    watcher.wait_for(lambda: value_of(watcher, 'alpha') == 0.5, 'the previous value')
    expect(slider).to_have_value('0.5')


def test_refused_value_shows_the_reason_from_the_controller(open_page, watcher):
    page = open_page()
    row = row_of(page, 'horizon_steps')
    field = row.get_by_role('textbox')
    field.fill('100000')
    field.press('Enter')
    expect(row.get_by_role('alert')).to_contain_text(
        'Refused: horizon_steps = 100000 is outside [1, 512]')
    expect(field).to_have_value('56')
    assert value_of(watcher, 'horizon_steps') == 56
    field.fill('many')
    field.press('Enter')
    expect(row.get_by_role('alert')).to_contain_text("'many' is not a whole number")
    field.fill(30 * '9')
    field.press('Enter')
    expect(row.get_by_role('alert')).to_contain_text(f'{30 * "9"} is outside 1 to 512')


def test_response_after_the_timeout_of_the_page_takes_effect(open_page, nodes, watcher):
    page = open_page()
    row = row_of(page, 'alpha')
    field = row.get_by_role('textbox')
    nodes.send('mppi_controller', signal.SIGSTOP)
    field.fill('0.6')
    field.press('Enter')
    expect(row.get_by_role('alert')).to_contain_text('No answer from the controller')
    nodes.send('mppi_controller', signal.SIGCONT)
    expect(field).to_have_value('0.6')
    page.get_by_role('button', name='undo').click()
    watcher.wait_for(lambda: value_of(watcher, 'alpha') == 0.5, 'the previous value')


def test_running_controllers_are_listed_and_goal_requires_a_costmap(
        open_page, nodes, watcher):
    nodes.start('mppi_controller', '-r', '__ns:=/robot2', *LIGHT, name='second')
    subscription = watcher.node.create_subscription(
        MarkerArray, '/other/mppi_controller/candidate_trajectories', lambda _: None, 1)
    page, other = open_page(), open_page(PHONE)
    page.wait_for_function(f'() => ({LAYERS})().includes("costmap")')
    selector = page.get_by_role('combobox', name='Controller')
    selector.click()
    options = page.get_by_role('option')
    expect(options).to_have_text(['/robot1/mppi_controller', '/robot2/mppi_controller'])
    options.nth(1).click()
    expect(page.locator('.status')).to_contain_text('The controller waits')
    page.wait_for_function(f'() => ({LAYERS})().length === 0')
    expect(other.get_by_text('Another page has chosen /robot2/mppi_controller')).to_be_visible()
    send_goal(page, 1.0, 0.5)
    expect(page.get_by_text('no goal sent: its frame is that of the costmap')).to_be_visible()
    page.get_by_label('goal x [m]').fill('')
    page.get_by_role('button', name='send goal').click()
    expect(page.get_by_text('no goal sent: enter x, y and yaw')).to_be_visible()
    selector.click()
    options.nth(0).click()
    expect(page.locator('.scene canvas')).to_have_attribute('aria-label', re.compile('robot at'))
    watcher.node.destroy_subscription(subscription)
    nodes.end('second')


@pytest.mark.parametrize('remove', ['clear()', 'removeGrid("late")'])
def test_grid_removed_during_decoding_is_not_drawn(open_page, remove):
    page = open_page()
    page.wait_for_function(f'() => ({LAYERS})().includes("costmap")')
    layers = page.evaluate(f"""() => {{
        const view = getElement(Number(document.querySelector(".scene").id.slice(1)));
        view.loadGrid("late", view.layers.costmap.content);
        view.{remove};
        return new Promise((done) => setTimeout(() => done(Object.keys(view.layers)), 500));
    }}""")
    assert 'late' not in layers


def test_two_browsers_and_parameter_services_show_the_same_values(open_page, watcher, tmp_path):
    first, second = open_page(), open_page(PHONE)
    rows = [row_of(page, 'alpha') for page in (first, second)]
    field = rows[0].get_by_role('textbox')
    field.fill('0.75')
    field.press('Enter')
    for row in rows:
        expect(row.get_by_role('textbox')).to_have_value('0.75')
        expect(row).to_contain_text('was 0.5')
    with first.expect_download() as download:
        first.get_by_role('button', name='save').click()
    download.value.save_as(tmp_path / 'saved.yaml')
    assert read_yaml(tmp_path / 'saved.yaml').mppi.alpha == 0.75
    assert watcher.set_parameters(alpha=0.5).successful
    for row in rows:
        expect(row.get_by_role('textbox')).to_have_value('0.5')


def test_preset_is_compared_with_the_previous_values(open_page, watcher):
    page = open_page()
    page.get_by_role('tab', name='Compare').click()
    page.get_by_role('button', name='mark this moment').click()
    page.get_by_role('tab', name='Presets').click()
    page.get_by_role('button', name='too shy').click()
    watcher.wait_for(lambda: value_of(watcher, 'critics.obstacle.weight') == 0.5, 'the preset')
    page.get_by_role('tab', name='Compare').click()
    table = page.locator('table.compare')
    expect(table).to_contain_text('mean speed')
    expect(page.get_by_text('critics.obstacle.weight: 1 → 0.5').first).to_be_attached()
    page.get_by_role('combobox', name='Signal of the chart').click()
    page.get_by_role('option', name='speed [m/s]', exact=True).click()
    page.locator('[aria-label*="before and after the mark"]').scroll_into_view_if_needed()
    page.wait_for_function(f'() => {{ const s = ({SERIES})("a signal before and after the mark");'
                           ' return s.before.length > 1 && s.after.length > 1; }')
    page.get_by_role('tab', name='Parameters').click()
    page.get_by_role('button', name='reset all').click()
    watcher.wait_for(lambda: value_of(watcher, 'critics.obstacle.weight') == 1.0, 'the reset')


def test_sampling_figures_show_the_running_optimization(open_page):
    page = open_page()
    goal_x = GOAL[0] if x_of(page) < 2.0 else START[0]
    send_goal(page, goal_x, 0.5)
    page.get_by_role('tab', name='Sampling').click()
    for label, filled in (
            ('samples and weight by weight of a sample',
             'Math.abs(s.samples.reduce((a, b) => a + b, 0) - 100) < 1'
             ' && s.weight[0] < s.weight[4] + s.weight[5] + s.weight[6]'),
            ('gain of the smoothed objective over alpha', 's.gain.length === 23'
             ' && s.gain.every(([a, gain], i) => gain >= s.bound[2 * i][1] - 0.01)')):
        page.get_by_label(f'Chart: {label}').scroll_into_view_if_needed()
        page.wait_for_function(
            f'() => {{ const s = ({SERIES})("{label}"); return {filled}; }}')


def test_page_shows_past_states_while_paused(open_page):
    page = open_page()
    page.get_by_role('button', name='pause').click()
    expect(page.get_by_text('paused')).to_be_visible()
    page.get_by_label('Look back [s]').focus()
    for _ in range(4):
        page.keyboard.press('ArrowLeft')
        page.wait_for_timeout(300)
    expect(page.get_by_text('−2.0 s')).to_be_visible()
    expect(page.get_by_label('Look back [s]')).to_have_value('-2')
    expect(page.get_by_text(re.compile('^Then: The (robot|controller) '))).to_be_visible()
    page.get_by_role('button', name='live').click()
    expect(page.get_by_text('now', exact=True)).to_be_visible()
    expect(page.get_by_label('Look back [s]')).to_have_value('0')


def test_escape_key_leaves_the_goal_mode(open_page):
    page = open_page()
    page.get_by_role('switch', name='set goal').click()
    canvas = page.locator('.scene canvas.goal-mode')
    expect(canvas).to_be_attached()
    canvas.focus()
    page.keyboard.press('Escape')
    expect(page.locator('.scene canvas.goal-mode')).to_have_count(0)
    expect(page.get_by_role('switch', name='set goal')).not_to_be_checked()


def test_page_on_all_interfaces_requires_the_token_and_reports_a_missing_recording(
        open_page, nodes, watcher, browser):
    nodes.start('mppi_dashboard', '-r', '__ns:=/robot1', '-r', '__node:=open', '-p', 'port:=0',
                '-p', 'host:=0.0.0.0', '-p', 'recording:=/nowhere/run.mcap', name='open')
    address = re.sub('//[^:]+', '//127.0.0.1', address_of(nodes, watcher, 'open'))
    bare, _, token = address.partition('?token=')
    assert len(token) > 16
    context = browser.new_context()
    unauthorised = context.new_page()
    for query in ('', '?token=', f'?token={token}x'):
        answer = unauthorised.goto(bare + query)
        assert answer.status == 403
        expect(unauthorised.locator('body')).to_have_text(re.compile('must contain .token='))
        assert unauthorised.locator('.scene').count() == 0
    context.close()
    page = open_page(address=address)
    assert page.url == bare
    expect(page.locator('.scene canvas[data-x]')).to_be_attached()
    assert page.goto(bare).ok  # the cookie
    page.get_by_role('tab', name='What if').click()
    draft(page, 'alpha', '1')
    page.get_by_role('button', name='solve again').click()
    expect(page.locator('.refusal', has_text='/nowhere/run.mcap')).to_contain_text(
        'No such file or directory')
    nodes.end('open')


def contrast(a: str, b: str) -> float:
    """Return the contrast ratio of two colours '#rrggbb' by WCAG."""
    def luminance(color: str) -> float:
        shares = [int(color[i:i + 2], 16) / 255.0 for i in (1, 3, 5)]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_page_fits_a_phone_and_has_labels_and_sufficient_contrast(open_page, scheme):
    page = open_page(PHONE, scheme)
    assert page.evaluate('document.documentElement.scrollWidth') <= PHONE['width']
    inks = 'ink', 'soft', 'warning', 'error', 'gone', 'q-primary'
    colors = page.evaluate(COLORS, ['card', *inks])
    assert (contrast(colors['card'], '#000000') < 3.0) == (scheme == 'dark')
    for name in inks:
        assert contrast(colors[name], colors['card']) >= TEXT_CONTRAST, name
    page.locator('[data-group=noise]').click()
    expect(page.locator('[data-parameter="noise.antithetic"]')).to_be_visible()
    unlabelled = page.evaluate(UNLABELLED)
    assert unlabelled == []
    expect(page.get_by_role('main')).to_have_count(1)
    expect(page.get_by_role('status').first).to_have_text(re.compile('The (robot|controller) '))


@pytest.mark.timeout(2.0 * SOAK)
def test_memory_does_not_grow_in_30_minutes(open_page, nodes, watcher, request):
    if not request.config.getoption('--long'):
        pytest.skip('takes half an hour: --long')
    page = open_page()
    devtools = page.context.new_cdp_session(page)
    node = psutil.Process(nodes.pid('mppi_dashboard'))

    def used() -> tuple[float, float]:
        devtools.send('HeapProfiler.collectGarbage')
        heap = devtools.send('Runtime.getHeapUsage')['usedSize']
        return node.memory_full_info().uss / 2.0**20, heap / 2.0**20

    page.get_by_text('Goal by numbers').click()
    start, measured = time.monotonic(), []
    while (now := time.monotonic() - start) < SOAK:
        goal_x = GOAL[0] if x_of(page) < 2.0 else START[0]
        page.get_by_label('goal x [m]').fill(str(goal_x))
        page.get_by_role('button', name='send goal').click()
        field = row_of(page, 'alpha').get_by_role('textbox')
        field.fill('0.75')
        field.press('Enter')
        watcher.wait_for(lambda: value_of(watcher, 'alpha') == 0.75, 'the value')
        page.get_by_role('button', name='undo').click()
        watcher.wait_for(lambda: value_of(watcher, 'alpha') == 0.5, 'the previous value')
        if len(measured) % 5 == 0:
            open_page(PHONE).context.close()
        page.get_by_label('Search parameters').fill('')
        page.wait_for_timeout(20e3)
        measured.append((now, *used()))
        print('{:.0f} s: node {:.1f} MiB, page {:.1f} MiB'.format(*measured[-1]))
    full = [memory for now, *memory in measured if now >= FILLED]
    growth = np.max(full[-5:], axis=0) - full[0]
    assert (growth < MAX_GROWTH).all(), growth


def test_killed_controller_is_reported_and_reconnects_after_restart(open_page, nodes, watcher):
    page = open_page()
    field = row_of(page, 'alpha').get_by_role('textbox')
    field.fill('0.6')
    field.press('Enter')
    watcher.wait_for(lambda: value_of(watcher, 'alpha') == 0.6, 'the value')
    nodes.end('mppi_controller', signal.SIGKILL)
    expect(page.locator('.status')).to_contain_text('/robot1/mppi_controller is gone')
    nodes.start('mppi_controller', '-r', '__ns:=/robot1', *LIGHT)
    expect(page.locator('.status')).not_to_contain_text('gone')
    expect(page.get_by_text('was restarted and lost alpha = 0.6')).to_be_visible()
    page.get_by_role('button', name='apply again').click()
    # The watcher may still be matched with the services of the killed process.
    fresh = Watcher(namespace='robot1')
    try:
        fresh.wait_for(lambda: value_of(fresh, 'alpha') == 0.6, 'the restored value')
    finally:
        fresh.close()
