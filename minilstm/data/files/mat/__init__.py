"""Reading MATLAB's .mat files: plain data here, objects through the package mat-io.
A damaged file is an error: what is not checked byte by byte is read in another process."""
