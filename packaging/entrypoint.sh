#!/bin/sh
# What the image runs when the task definition has no `command` for it.
read -r version < /AWS_FOR_FLUENT_BIT_VERSION
echo "Firelane Container Image Version $version"
exec /fluent-bit/bin/fluent-bit -c /fluent-bit/etc/fluent-bit.conf
