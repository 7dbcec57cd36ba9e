// Package tables holds what an account knows, as values by key, and changes it by transactions, each of which is kept before anybody
// sees it: one that cannot be kept has changed nothing.
//
// One transaction of a [Journal] runs at a time, whatever stores its tables are of, and it may wait for a disk. Who only reads waits
// for none of that: a transaction works on drafts, and takes the locks of the stores for as long as it takes to put what it has
// changed into their tables. What a change costs depends on how much it changes, not on how much there is.
//
// Values are never changed in place: a transaction puts a changed copy.
package tables
