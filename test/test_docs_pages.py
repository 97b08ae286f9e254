"""Every page is in the index, links are valid, and the web site builds and works offline."""
from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

from mppi_ros.control.parameters import read_yaml
from mppi_ros.control.tick_result import Reason
from mppi_ros.share import share_path

ROOT = share_path()
PAGES = [*sorted((ROOT / 'docs').glob('*.md')), *sorted(ROOT.glob('*.md'))]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_are_valid(page):
    text = re.sub(r'```.*?```', '', page.read_text('utf-8'), flags=re.DOTALL)
    links = re.findall(r'\]\(([^)\s]+)\)', text)
    missing = [link for link in links if '://' not in link and not link.startswith('#')
               and not (page.parent / link.split('#')[0]).exists()]
    assert not missing


def test_every_page_is_in_the_index():
    index = (ROOT / 'docs' / 'index.md').read_text('utf-8')
    pages = {page.stem for page in (ROOT / 'docs').glob('*.md')} - {'index'}
    table = set(re.findall(r'\]\((\w+)\.md\)', index))
    trees = re.findall(r'```{toctree}\n(?::[^\n]*\n)*(.*?)```', index, re.DOTALL)
    assert pages == table == set(' '.join(trees).split())


def test_troubleshooting_lists_every_reason_code():
    page = (ROOT / 'docs' / 'troubleshooting.md').read_text('utf-8')
    codes = page.split('## By reason code')[1].split('\n## ')[0]
    named = {code for row in re.findall(r'^\| (`.*?) \|', codes, re.MULTILINE)
             for code in re.findall(r'`(\w+)`', row)}
    assert named == {reason.value for reason in Reason}


@pytest.mark.parametrize(
    'file', sorted((ROOT / 'launch').glob('*.py')), ids=lambda file: file.name)
def test_interfaces_page_lists_the_arguments_of_a_launch_file(file):
    page = (ROOT / 'docs' / 'interfaces.md').read_text('utf-8')
    section = page.split('## Launch files')[1].split('\n## ')[0]
    arguments = re.findall(r"^    \('(\w+)',", file.read_text('utf-8'), re.MULTILINE)
    assert {'odom_topic', 'params_file'} <= set(arguments)
    assert set(arguments) - set(re.findall(r'`(\w+)`', section)) == set()


def test_architecture_figures_match_the_code():
    pytest.importorskip('matplotlib')
    spec = importlib.util.spec_from_file_location(
        'architecture', ROOT / 'docs' / 'figures' / 'architecture.py')
    architecture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(architecture)
    stale = 'run python docs/figures/architecture.py'
    assert architecture.shown(architecture.LAYERS_IMAGE) == architecture.content_of_layers(), stale
    assert architecture.shown(architecture.TICK_IMAGE) == architecture.content_of_tick(), stale
    titles = [title for title, _ in architecture.steps()]
    assert titles == [architecture.STEPS[i][0] for i in architecture.ORDER]


def code_of(page, language):
    text = (ROOT / 'docs' / page).read_text('utf-8')
    return re.findall(rf'```{language}\n(.*?)```', text, re.DOTALL)


def test_example_parameters_of_a_robot_are_accepted(tmp_path):
    (example,) = code_of('first_robot.md', 'yaml')
    (tmp_path / 'robot.yaml').write_text(example, 'utf-8')
    assert read_yaml(tmp_path / 'robot.yaml').limits.ax_min == -1.0


def test_example_bringup_starts_executables_of_the_package():
    (example,) = code_of('first_robot.md', 'python')
    compile(example, 'bringup.launch.py', 'exec')
    executables = set(re.findall(r"executable='(\w+)'", example))
    setup = (ROOT / 'setup.py').read_text('utf-8')
    assert executables == {'mppi_controller', 'cmd_vel_watchdog'}
    assert all(f"f'{name} = " in setup for name in executables)
    pytest.importorskip('launch_ros', reason='launch_ros comes only with an installed ROS 2')
    names: dict = {}
    exec(example, names)
    assert len(names['generate_launch_description']().entities) == 2


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    for module in ('sphinx', 'myst_parser', 'furo', 'sphinx-mathjax-offline'):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module}: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp('site')
    built = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-q', '-W', str(ROOT / 'docs'), str(folder)],
        capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_web_site_loads_no_external_resources(site):
    loads = re.compile(r'<(?:script|img|iframe)[^>]*\bsrc="(https?:[^"]*)"'
                       r'|<link[^>]*rel="stylesheet"[^>]*href="(https?:[^"]*)"')
    found = {page.name: loads.findall(page.read_text('utf-8')) for page in site.glob('*.html')}
    assert len(found) > 15
    assert not {name: links for name, links in found.items() if links}
    theory = (site / 'theory.html').read_text('utf-8')
    assert re.search(r'src="_static/mathjax/[^"]*\.js', theory)


def test_links_between_pages_of_the_web_site_are_valid(site):
    broken = []
    for page in site.glob('*.html'):
        for link in re.findall(r'href="([^"#?]+)"', page.read_text('utf-8')):
            if '://' not in link and link.endswith('.html') and not (site / link).exists():
                broken.append((page.name, link))
    assert not broken
