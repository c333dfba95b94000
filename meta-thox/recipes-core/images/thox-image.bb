SUMMARY = "The system of a Thox device"
DESCRIPTION = "Read-only root, no password, SSH by key alone, both engines, updates into the other slot."

require thox-image.inc
