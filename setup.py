"""Package mppi_ros: the same tree for `colcon build` and for `pip install`."""
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'mppi_ros'


def ros_wheels(distro):
    """Name the wheels that hold a ROS 2 distribution, as far as the nodes need it."""
    packages = (
        'rclpy', 'rmw-fastrtps-cpp', 'nav-msgs', 'geometry-msgs', 'sensor-msgs', 'std-srvs',
        'visualization-msgs', 'diagnostic-msgs', 'rcl-interfaces', 'lifecycle-msgs',
        'rosgraph-msgs', 'builtin-interfaces', 'std-msgs', 'trajectory-msgs',
    )
    return [f'ros-{distro}-{package}' for package in packages]


def shared(folder):
    """List every file below a folder, to be installed under share/mppi_ros."""
    files: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob('*')):
        if path.is_file() and '__pycache__' not in path.parts:
            files.setdefault(f'share/{NAME}/{path.parent.as_posix()}', []).append(str(path))
    return list(files.items())


setup(
    name=NAME,
    version='0.1.0',
    description='MPPI control of a mobile robot: Numba-parallel sampling in a ROS 2 node',
    long_description=Path('README.md').read_text('utf-8') if Path('README.md').exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    author='mppi_ros contributors',
    maintainer='mppi_ros maintainers',
    maintainer_email='maintainers@mppi-ros.invalid',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'dashboard/*.css', 'dashboard/*.js',
                         'evaluation/tuning/*.j2']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *shared('launch'),
        *shared('config'),
    ],
    zip_safe=False,
    install_requires=['numpy>=1.23', 'numba>=0.58', 'scipy', 'pyyaml', 'pillow',
                      'scikit-image'],
    extras_require={
        'jazzy': ros_wheels('jazzy'),
        'kilted': ros_wheels('kilted'),
        'tools': ['matplotlib', 'mcap', 'mcap-ros2-support', 'psutil', 'rich', 'rosbags'],
        # Of `mppi_demo`; `tools` is for all command lines.
        'demo': ['matplotlib', 'mcap', 'rich'],
        'view': ['rerun-sdk>=0.23'],
        'dashboard': ['nicegui>=3.0'],
        'docs': ['sphinx', 'myst-parser', 'furo', 'sphinx-mathjax-offline'],
        'cluster': ['distributed'],
        # Measured beside this package by `mppi_benchmark peers`, as is hydrax from its sources.
        'peers': ['torch', 'pytorch-mppi', 'jax', 'cma'],
        # Baseline ORCA and reacting people of `mppi_evaluate people`.
        'people': ['pyrvo'],
        # Search of mppi_tune.
        'tune': ['optuna>=5,<6', 'cmaes', 'jinja2', 'matplotlib', 'rich'],
        # Rigid bodies and slipping tyres of `mppi_evaluate --physics`.
        'physics': ['mujoco>=3.2', 'commonroad-vehicle-models>=3'],
        # The pytest plugin of launch_testing (Jazzy) does not load into pytest 9. The examples of
        # newer versions of Hypothesis depend on the modules loaded, so on the order of tests.
        'dev': ['pytest>=7.4,<9', 'pytest-timeout', 'pytest-xdist', 'hypothesis<6.131', 'ruff',
                'mypy', 'import-linter', 'types-PyYAML'],
        'tbb': ['tbb; platform_machine == "x86_64"'],
    },
    entry_points={
        'console_scripts': [
            f'mppi_controller = {NAME}.nodes.controller.node:main',
            f'kinematic_simulator = {NAME}.nodes.kinematic_simulator:main',
            f'path_planner = {NAME}.nodes.path_planner:main',
            f'cmd_vel_watchdog = {NAME}.nodes.cmd_vel_watchdog:main',
            f'mppi_dashboard = {NAME}.nodes.dashboard.node:main',
            f'mppi_demo = {NAME}.cli.demo:main',
            f'mppi_evaluate = {NAME}.cli.evaluate:main',
            f'mppi_benchmark = {NAME}.cli.benchmark:main',
            f'mppi_tune = {NAME}.cli.tune:main',
            f'mppi_compile = {NAME}.cli.compile:main',
            f'mppi_import_nav2 = {NAME}.cli.import_nav2:main',
        ],
    },
)
