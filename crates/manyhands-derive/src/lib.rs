//! `#[derive(Shareable)]`, for the crate `manyhands`: says that a type may live in shared memory, after a
//! look at its definition.
//!
//! A structure may if all of its fields may, and if it has nothing to drop. An enum may if its variants have
//! no fields and it is one byte (`repr(u8)` or `repr(i8)`): a process can be killed in the middle of a store
//! of several bytes, and half of one tag with half of another is none. A union may not.
//!
//! It refuses to guess: what it does not know to be right does not compile, with the reason.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DataEnum, DataStruct, DeriveInput, Error, Result, parse_macro_input};

/// Says that a type may live in memory that processes share.
///
/// ```text
/// use manyhands::sync::Shareable;
///
/// #[derive(Shareable)]
/// struct Best {
///     index: u64,
///     cost: f64,
/// }
///
/// #[derive(Shareable)]
/// #[repr(u8)]
/// enum State {
///     Waiting,
///     Running,
/// }
/// ```
///
/// Fields have to be `Shareable` themselves. In a crate that forbids unsafe code it cannot be used: deny it
/// instead.
#[proc_macro_derive(Shareable)]
pub fn derive_shareable(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let demands = match &input.data {
        Data::Struct(data) => of_fields(data),
        Data::Enum(data) => {
            check_enum(data, &input.attrs)?;
            TokenStream::new()
        }
        Data::Union(data) => {
            let text =
                "a union may not live in shared memory: nobody knows which of its fields is there";
            return Err(Error::new(data.union_token.span, text));
        }
    };
    let name = &input.ident;
    let (generics, arguments, conditions) = input.generics.split_for_impl();
    let conditions = conditions.map(|clause| &clause.predicates);
    let drops = if input.generics.params.is_empty() { no_drop(name) } else { TokenStream::new() };
    Ok(quote! {
        // SAFETY: every field is `Shareable`, as demanded here, or it is one byte.
        #[automatically_derived]
        #[allow(unsafe_code, reason = "derived after a look at every field")]
        unsafe impl #generics ::manyhands::sync::Shareable for #name #arguments
        where
            #demands
            #conditions
        {}
        #drops
    })
}

/// Each field may live there.
fn of_fields(data: &DataStruct) -> TokenStream {
    let demands = data.fields.iter().map(|field| {
        let kind = &field.ty;
        quote_spanned!(kind.span() => #kind: ::manyhands::sync::Shareable,)
    });
    demands.collect()
}

/// Types with parameters are checked when a value is put into shared memory.
fn no_drop(name: &syn::Ident) -> TokenStream {
    quote_spanned! { name.span() =>
        const _: () = assert!(
            !::core::mem::needs_drop::<#name>(),
            "what lives in shared memory is never dropped: this type may not have anything to drop",
        );
    }
}

fn check_enum(data: &DataEnum, attributes: &[Attribute]) -> Result<()> {
    if let Some(variant) = data.variants.iter().find(|variant| !variant.fields.is_empty()) {
        let text = "an enum with fields may not live in shared memory: after a kill its tag may not fit its fields";
        return Err(Error::new(variant.fields.span(), text));
    }
    if is_one_byte(attributes)? {
        return Ok(());
    }
    let text = "an enum in shared memory must be one byte, so that a kill cannot leave half of a tag: \
                add #[repr(u8)]";
    Err(Error::new(data.enum_token.span, text))
}

fn is_one_byte(attributes: &[Attribute]) -> Result<bool> {
    let mut found = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("u8") || meta.path.is_ident("i8");
            // What `align(8)` and the like have in brackets.
            if meta.input.peek(syn::token::Paren) {
                let content;
                syn::parenthesized!(content in meta.input);
                content.parse::<TokenStream>()?;
            }
            Ok(())
        })?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn refused(input: &DeriveInput) -> String {
        expand(input).unwrap_err().to_string()
    }

    #[test]
    fn every_field_is_demanded() {
        let made = expand(&parse_quote! { struct Pair<T>(u8, Vec<T>) where T: Copy; }).unwrap();
        let made = made.to_string();
        assert!(made.contains("u8 : :: manyhands :: sync :: Shareable"), "{made}");
        assert!(made.contains("Vec < T > : :: manyhands :: sync :: Shareable"), "{made}");
        assert!(made.contains("T : Copy"), "{made}");
    }

    #[test]
    fn an_enum_is_one_byte_without_fields() {
        assert!(expand(&parse_quote! { #[repr(u8)] enum State { A, B = 7 } }).is_ok());
        assert!(expand(&parse_quote! { #[repr(C, i8, align(4))] enum State { A } }).is_ok());
        assert!(refused(&parse_quote! { enum State { A, B } }).contains("repr(u8)"));
        assert!(refused(&parse_quote! { #[repr(u32)] enum State { A } }).contains("repr(u8)"));
        assert!(refused(&parse_quote! { #[repr(u8)] enum State { A(u8) } }).contains("fields"));
    }

    #[test]
    fn a_union_is_refused() {
        assert!(refused(&parse_quote! { union Both { a: u8, b: i8 } }).contains("union"));
    }
}
