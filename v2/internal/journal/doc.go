// Package journal keeps records on disk across the death of the process: it is
// what stands behind awsiot.NewFileStore. The client appends each operation
// before it accepts it and removes it when it is done; Open returns what was
// appended and not removed, in order.
//
// # Files
//
// A journal is a directory with a lock file and segments, named by a rising
// number in hex (0000000000000001.seg). Only the last segment is written, only at
// its end. All integers are little-endian, all sums CRC-32C:
//
//	segment: magic "awsiotJL" | version u32 | salt u32 | number u64 | sum u32, then frames
//	frame:   length u32 | head sum u32 | data sum u32 | kind u8 | id u64 | data
//
// The head sum covers the rest of the head, the data sum the data. Two sums,
// because a length is believed only after its own sum: damage in the data then
// costs that record alone. After damage in a head the scan looks for the next
// head whose sum is right. The sum begins with the random salt of the segment, so
// that bytes in the data of a record (a device may well send a journal) are not
// mistaken for a head.
//
// A frame puts a record or removes one. The log read in order is the truth: a
// record may be there twice (see below), the later copy counts, and a removal
// comes after every copy. Segments are therefore deleted strictly from the oldest
// on, else a removal might go before the record it removes, which would come
// back. A record that lives long in the oldest segment is copied to the end of
// the log when more than half of the bytes are dead; each call copies a bounded
// number of bytes.
//
// # Failure
//
// A process that dies loses nothing that Append had returned from: the operating
// system has it. A power failure may lose the last seconds unless Options.Sync is
// SyncEach. A call that fails leaves the journal as it was, on disk as well, and
// may be repeated. An Append that failed because the disk did can in one case
// still show at the next Open: if the disk refused to take the bytes back, too,
// until the process died.
package journal
