# Image with the environment of the README's two commands, from the ROS 2 wheels:
#   docker build --tag mppi_ros .
#   docker run --rm --init mppi_ros make demo
#   docker run --rm --init mppi_ros make test
FROM python:3.12-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home ros \
    && install --directory --owner ros /home/ros/mppi_ros
USER ros
WORKDIR /home/ros/mppi_ros

FROM base
COPY --chown=ros . .
RUN make env
CMD ["make", "demo"]
