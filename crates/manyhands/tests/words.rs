//! What serde types that this format cannot carry become: an error that says what to do, and no wrong value.

use manyhands::{Pool, channel};
use serde::{Deserialize, Serialize};

manyhands::test_support!();

#[derive(Debug, Serialize, Deserialize)]
struct Skips {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    second: Option<u8>,
    third: Option<u8>,
}

/// Written as one byte, read as none.
#[derive(Debug, Deserialize)]
struct Unlike;

impl Serialize for Unlike {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(7)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
}

#[derive(Debug, Serialize, Deserialize)]
struct Flat {
    #[serde(flatten)]
    all: std::collections::HashMap<String, u8>,
}

fn of<T: Serialize + serde::de::DeserializeOwned + 'static>(value: T) -> String {
    let pool = Pool::builder().workers(1).build().expect("a pool");
    let error = pool.submit(|value: T| value, value).join().err().expect("an error");
    assert!(error.is_carriage(), "{error}");
    error.to_string()
}

#[test]
fn a_type_that_asks_what_comes_next_is_told_what_to_do() {
    let text = of(Untagged::Number(1));
    assert!(text.contains("serde_json::Value") && text.contains("as a string or bytes"), "{text}");
    let text = of(Flat { all: [("a".to_owned(), 1)].into() });
    assert!(text.contains("#[serde(flatten)]"), "{text}");
}

#[test]
fn a_type_that_is_not_read_as_it_is_written_is_told_so() {
    let text = of(Skips { first: None, second: None, third: Some(1) });
    assert!(text.contains("skip_serializing_if"), "{text}");
    let text = of(Unlike);
    assert!(text.contains("skip_serializing_if"), "{text}");
    let (sender, receiver) = channel::channel().unwrap();
    sender.send(Unlike).unwrap();
    let text = receiver.recv().unwrap_err().to_string();
    assert!(text.contains("skip_serializing_if"), "{text}");
}
