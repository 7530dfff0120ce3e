*B
typed_INT4