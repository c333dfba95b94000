
# Thox: what follows in /init would wait for the root for ever (rootwait) and, if it cannot be mounted, become a shell that
# waits for somebody. The wait is here and has an end.
thox_waited=0
while [ ! -b "$rootdev" ] && [ "$thox_waited" -lt "${THOX_ROOT_WAIT:-60}" ]; do
    [ "$thox_waited" != 0 ] || echo "Waiting for $rootdev..."
    sleep 1
    thox_waited=$((thox_waited + 1))
done
wait=''
# A shell that has nothing to read ends at once. It is process 1: the kernel panics, and starts again (panic=10).
exec </dev/null
