// Package statedir keeps the state of an endpoint in a directory, so that it survives the process: values by kind and
// key, changed by transactions.
//
// # Files
//
// The directory has the file lock, which says that a server uses it, and the file state. That one begins with a line that
// names the format; each line after it puts or deletes one value, and the last one for a key counts:
//
//	1c291ca3 . ["shadow","lamp",{"version":3}]
//	8d1f02aa + ["job","lamp/update-1",{"status":"QUEUED"}]
//	90b3cf11 . ["job","lamp/update-2"]
//
// The first column is the CRC-32C of the rest of the line in hexadecimal, the second a full stop at the end of a transaction
// and a plus sign before more of it. When more of the file is dead than alive, what is alive is written to the file state.new,
// which then takes the place of the other.
//
// # Failure
//
// A process that is killed leaves whole lines and at most one that has no end: Open drops that, and a transaction without
// its last line, of which nobody has been told that it was done. Everything else that is not as written here is damage, and
// an error that names file and line; nothing is dropped in silence. A Write that fails leaves the state as it was.
package statedir
