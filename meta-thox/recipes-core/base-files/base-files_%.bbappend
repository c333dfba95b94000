# As it is found on its network; thoxd takes the next free name where another device has this one.
hostname:distro-thox = "thox"
