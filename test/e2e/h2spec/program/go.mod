// The conformance tests of HTTP/2, built from their module, never installed.
module farebox.example/h2spec

go 1.25.0

tool (
	github.com/fatih/color
	github.com/spf13/cobra
	github.com/summerwind/h2spec/cmd/h2spec
	golang.org/x/net
	golang.org/x/sys
	golang.org/x/text
)

require (
	github.com/fatih/color v1.18.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/mattn/go-colorable v0.1.13 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/spf13/cobra v1.9.1 // indirect
	github.com/spf13/pflag v1.0.6 // indirect
	github.com/summerwind/h2spec v2.2.1+incompatible // indirect
	golang.org/x/net v0.46.0 // indirect
	golang.org/x/sys v0.37.0 // indirect
	golang.org/x/text v0.30.0 // indirect
)
