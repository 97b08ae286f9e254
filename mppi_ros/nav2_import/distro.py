"""ROS 2 distributions: parameters that identify them in a file, and their defaults."""

from __future__ import annotations

from mppi_ros.nav2_import.read import Section

DISTROS = ('humble', 'jazzy', 'kilted', 'lyrical', 'rolling')
PUBLISHES_STAMPED = {'humble': False, 'jazzy': False}  # from kilted on Nav2 publishes TwistStamped
MARKS = (  # parameters that the previous distribution does not have
    ('lyrical', ('path_handler_plugins', 'collision_lookahead_time', 'model_delay_vx', 'sgf_order',
                 'search_window', 'max_linear_vel', 'introspection_mode')),
    ('kilted', ('publish_optimal_trajectory', 'publish_critics_stats',
                'service_introspection_mode')),
    ('jazzy', ('costmap_update_timeout', 'ax_max', 'az_max', 'use_realtime_priority',
               'near_collision_cost', 'enable_stamped_cmd_vel', 'open_loop')),
    ('humble', ('progress_checker_plugin',)),
)


def guess_distro(section: Section) -> tuple[str, str]:
    """Return the oldest distribution whose controller_server has these parameters, and why."""
    names = {name.rpartition('.')[2] for name in section.values} | set(section.values)
    for distro, marks in MARKS:
        for mark in marks:
            if mark in names:
                return distro, f'derived from the parameter {mark}'
    return 'jazzy', 'assumed, since no parameter is specific to one'
