// Package migrate carries Go code from the v1-shaped API (v1compat) to the v2 client, and says what it cannot carry.
//
// [Run] is the driver that the command iotmigrate and its demo use: it loads packages with their tests, plans the
// rewrite of every flow class, applies all of them in memory, type-checks the result for every operating system and
// tag set asked for, takes back what does not compile, and only then writes. [Analyzer] reports the same findings
// under go vet and in editors.
//
// How a unit of change is found is in migrate/internal/flow, how it is rewritten in migrate/internal/rewrite, the rules
// are in migrate/v1client, and the sections of MIGRATION.md that reports link to are in [unit.Anchors].
package migrate
