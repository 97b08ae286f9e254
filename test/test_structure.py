"""Structure of the package: layers, module docstrings, kernel functions, versions and paths."""
from __future__ import annotations

import ast
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

from mppi_ros import __version__
from mppi_ros.driving import motion_models, rollout_steps
from mppi_ros.ros import use_wheels
from mppi_ros.share import share_path

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / 'mppi_ros').rglob('*.py'))


def test_imports_run_downward_only():
    lint_imports = Path(sys.executable).with_name('lint-imports')
    if not lint_imports.exists():
        pytest.skip('needs import-linter: pip install import-linter')
    result = subprocess.run([lint_imports, '--no-logo'], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize('module', MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_docstring_states_purpose_and_reason_for_length(module):
    source = module.read_text('utf-8')
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring
    assert len(docstring.splitlines()[0]) > 20
    assert len(source.splitlines()) <= 400 or 'More than 400 lines: ' in docstring


@pytest.mark.parametrize('module', MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_has_no_todo_comments(module):
    found = re.findall(r'\b(TODO|FIXME|XXX|HACK)\b', module.read_text('utf-8'))
    assert not found


def test_constants_named_in_docstrings_exist():
    trees = [ast.parse(module.read_text('utf-8')) for module in MODULES]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    known = {node.id for node in nodes if isinstance(node, ast.Name)}
    known |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    known |= {part for node in nodes if isinstance(node, ast.Constant)
              and isinstance(node.value, str) for part in node.value.split()
              if '\n' not in node.value}  # of the environment
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    named = {name for node in nodes if isinstance(node, owners)
             for name in re.findall(r'\b[A-Z]+(?:_[A-Z]+)+\b', ast.get_docstring(node) or '')}
    assert len(named) > 10
    assert named - known - {'FILE_DIRECTION', 'NUMBA_THREADING_LAYER'} == set()


def empty_functions(tree: ast.Module) -> list[str]:
    """Return the functions of a module that contain only a docstring or pass."""
    protocols = {node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
                 and any('Protocol' in ast.unparse(base) for base in node.bases)}
    declared = {method for protocol in protocols for method in protocol.body}
    return [node.name for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node not in declared
            and all(isinstance(part, ast.Pass)
                    or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
                    for part in node.body)
            and not any('kernel_only' in ast.unparse(mark) for mark in node.decorator_list)]


NODES = {
    ROOT / 'mppi_ros' / folder for folder in ('nodes', 'ros')
}  # lifecycle callbacks may be empty


@pytest.mark.parametrize('module', [path for path in MODULES if NODES.isdisjoint(path.parents)],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_has_an_empty_body(module):
    assert empty_functions(ast.parse(module.read_text('utf-8'))) == []


def test_functions_with_an_empty_body_are_detected():
    code = """
class Kind(Protocol):
    def declared(self): "..."

class Other:
    def method(self): pass

def stub(a): "Do it."

@kernel_only
def marked(a): "Do it."
"""
    assert empty_functions(ast.parse(code)) == ['stub', 'method']


@pytest.mark.parametrize(
    'stub',
    [
        motion_models.applied_command,
        rollout_steps.command,
        rollout_steps.move,
        rollout_steps.apply_delay_and_dead_band,
        rollout_steps.export_command,
    ],
    ids=lambda stub: stub.__name__,
)
def test_kernel_only_functions_raise_when_called_from_python(stub):
    with pytest.raises(NotImplementedError, match=f'{stub.__name__} runs in kernels only'):
        stub()


def test_package_xml_setup_and_code_agree_on_the_version():
    assert f'<version>{__version__}</version>' in (ROOT / 'package.xml').read_text('utf-8')
    assert f"version='{__version__}'" in (ROOT / 'setup.py').read_text('utf-8')


def test_share_path_of_a_checkout_is_its_root():
    assert share_path('package.xml') == ROOT / 'package.xml'


@pytest.mark.parametrize(
    'code', ['lib/python3.12/site-packages', 'lib/python3/dist-packages', '.'])
def test_share_path_of_an_installation_is_below_its_prefix(tmp_path, code):
    package = tmp_path / code / 'mppi_ros'
    package.mkdir(parents=True)
    for name in ('__init__.py', 'share.py'):
        (package / name).write_bytes((ROOT / 'mppi_ros' / name).read_bytes())
    (tmp_path / 'share' / 'mppi_ros').mkdir(parents=True)
    program = "from mppi_ros.share import share_path; print(share_path('config', 'robot.yaml'))"
    shown = subprocess.run([sys.executable, '-c', program], cwd=package.parent,
                           capture_output=True, text=True, check=True).stdout.strip()
    assert shown == str(tmp_path.resolve() / 'share' / 'mppi_ros' / 'config' / 'robot.yaml')


def test_use_wheels_sets_the_prefix_only_without_a_sourced_installation(monkeypatch):
    pytest.importorskip('rclpy')
    monkeypatch.delenv('AMENT_PREFIX_PATH', raising=False)
    use_wheels()
    assert os.environ['AMENT_PREFIX_PATH'] == sys.prefix
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/opt/ros/jazzy')
    use_wheels()
    assert os.environ['AMENT_PREFIX_PATH'] == '/opt/ros/jazzy'


def test_use_wheels_without_rclpy_exits_with_one_line(monkeypatch, capsys):
    monkeypatch.setattr('mppi_ros.ros.find_spec', lambda name: None)
    with pytest.raises(SystemExit) as ended:
        use_wheels()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'rclpy' in error


def test_names_of_test_modules_are_unique():
    """The pytest plugin of launch_testing imports test modules by their bare names."""
    names = [path.name for path in (ROOT / 'test').rglob('test_*.py')]
    assert len(names) == len(set(names)), sorted(names)
