//! MCUboot images: parse, verify, decrypt, build, sign; trailers and keys.
