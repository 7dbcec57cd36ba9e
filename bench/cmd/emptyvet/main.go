// Command emptyvet is a vet tool whose one analyzer does nothing: what go vet takes with it is the least that a look at
// packages can take in the go command's own way.
package main

import (
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
)

var empty = &analysis.Analyzer{
	Name: "empty",
	Doc:  "does nothing",
	Run:  func(*analysis.Pass) (any, error) { return nil, nil },
}

func main() { unitchecker.Main(empty) }
