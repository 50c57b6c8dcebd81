"""One reader for each format of foreign files; each turns bytes into arrays and plain values.
No code of a file is run, and no size of a file is believed before it is compared with its bytes."""
