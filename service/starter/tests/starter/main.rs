//! The starter engine from outside: its answers, its HTTP, and what it does with hostile files.

#[cfg(test)]
mod client;
#[cfg(test)]
mod evaluation;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod leaving;
