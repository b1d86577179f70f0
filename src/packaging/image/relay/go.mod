module keymount.dev/relay

go 1.24
